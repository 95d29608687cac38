r"""What commands and signs of TeX mean to the parser, as plain tables."""

from __future__ import annotations

REASON = frozenset(
    """since because as if when whenever where for with given provided assuming using by from unless
    while such s.t. s.t st note recall see here only at over on of is are denotes which because, due
    iff only whose that applying via per under in otherwise else elsewhere follows every all any
    each wenn falls weil mit für sonst où car avec pour sinon donde porque para con если где при так
    иначе для 因为 由于 当 若 如果 其中 对于 注意 这里
    其他 其它 否则 ここで ただし なぜなら""".split()
)
LEADING = frozenset("let define set where note recall with consider so now here taking".split())
"""At the start of a row what follows these is a statement."""
JOINED = frozenset("and or und et и 且 和 与 或".split())
THEN = frozenset(
    """so thus hence then therefore i.e. i.e ie gives give get gets have obtain obtains becomes
    become yields yield implies imply that leads to equals equivalently consequently that: is: are:
    namely follows finally also dann folgt somit also alors donc entonces luego тогда поэтому
    следовательно 则 那么 所以 因此 故 得 得到 有 可得 时 即 したがって よって のとき""".split()
)
STOP = REASON | LEADING | JOINED | THEN
"""Words that name nothing."""
ABBREVIATIONS = frozenset("i.e. e.g. s.t. w.r.t. i.i.d. a.e. a.s. w.l.o.g.".split())
NO_FACTORS = frozenset(
    """because therefore forall exists cdot times ast odot circ pm mp div over choose mid qed Box
    square blacksquare""".split()
)
"""Commands behind which a point ends a sentence, and does not multiply."""

GREEK = frozenset(
    """alpha beta gamma delta epsilon varepsilon zeta eta theta vartheta iota kappa lambda mu nu xi
    omicron pi varpi rho varrho sigma varsigma tau upsilon phi varphi chi psi omega Gamma Delta
    Theta Lambda Xi Pi Sigma Upsilon Phi Psi Omega digamma varkappa""".split()
)
LETTERS = GREEK | frozenset(
    "ell hbar imath jmath infty emptyset varnothing Re Im aleph wp eth Bbbk top bot perp".split()
)
"""Commands that are a letter or a constant."""

RENAMED = {"varnothing": "emptyset", "omicron": "o", "imath": "i", "jmath": "j"}

FUNCTIONS = frozenset(
    """log ln lg exp sin cos tan cot sec csc sinh cosh tanh coth sech csch arcsin arccos arctan
    arcsinh arccosh arctanh sgn sign""".split()
)
"""Functions whatever the text says, with or without a bracket."""

BIG = {
    "sum": "sum",
    "prod": "prod",
    "max": "max",
    "min": "min",
    "argmax": "argmax",
    "argmin": "argmin",
    "sup": "sup",
    "inf": "inf",
    "lim": "lim",
}
"""What runs over an index."""
BRACKETED_BIG = frozenset("max min argmax argmin sup inf E".split())
"""Those of them whose argument is the bracket right behind, where there is one."""

NAMED = frozenset("det dim ker Pr gcd deg hom".split())
"""Commands that are a word."""

WORDS = frozenset(
    """softmax logsoftmax sigmoid logistic relu ReLU gelu GELU softplus tanh log ln exp sqrt max min
    argmax argmin sum loss Loss LSE lse logsumexp MSE BCE NLL CE KL RMSE MAE FL TP FP TN FN TPR FPR
    REC IoU diag sign sgn cos sin onehot logit logits cost Cost grad pred prob error Error bias Dice
    Acc rate temp step size mean std var Var Cov mask base time dist gain area freq odds risk rank
    norm mode data score text node gate""".split()
) | frozenset(name for name in GREEK - set(RENAMED) if 2 < len(name))
"""Runs of letters that are a word even without a font: softmax(z) in plain text."""
JOINED_FUNCTIONS = ("tanh", "sinh", "cosh", "log", "exp", "sin", "cos", "ln")
"""Functions that are found in a run of letters, `ylogp`; the longer ones first."""

SUBSCRIPT_WORDS = frozenset(
    """max min out true pred total model train test val new old loss reg data batch hidden input
    output ref avg mean tot opt init final err log exp head emb CE KL BCE MSE NLL LSE softmax class
    target label correct net sum obs hat ml map key query value gold norm scaled soft hard eval peak
    dim cur prev next cond low high mid best pos neg src tgt gt ctx tok seq enc dec attn self prior
    post adv fake real gen disc eps std var cov sim sub end orig mix env act pre all base text
    step""".split()
)
"""Subscripts that are one word, not an index a letter."""

ACCENTS = {
    "hat": "hat",
    "widehat": "hat",
    "tilde": "tilde",
    "widetilde": "tilde",
    "bar": "bar",
    "overline": "bar",
    "vec": "vec",
    "overrightarrow": "vec",
    "dot": "dot",
    "ddot": "ddot",
    "breve": "breve",
    "check": "check",
    "acute": "acute",
    "grave": "grave",
    "mathring": "ring",
    "underline": "underline",
}
FONTS = {
    "mathbf": "mathbf",
    "boldsymbol": "mathbf",
    "bm": "mathbf",
    "pmb": "mathbf",
    "bold": "mathbf",
    "symbf": "mathbf",
    "mathcal": "mathcal",
    "mathbb": "mathbb",
    "mathfrak": "mathfrak",
    "mathsf": "mathsf",
    "mathtt": "mathtt",
    "mathscr": "mathscr",
    "Bbb": "mathbb",
    "mathds": "mathbb",
    "mathbbm": "mathbb",
}
OLD_FONTS = {"bf": "mathbf", "cal": "mathcal", "sf": "mathsf", "tt": "mathtt"}
"""Those that hold to the end of the group."""
RELATIONS = {
    "le": "le",
    "leq": "le",
    "leqslant": "le",
    "ge": "ge",
    "geq": "ge",
    "geqslant": "ge",
    "lt": "lt",
    "gt": "gt",
    "ll": "ll",
    "gg": "gg",
    "ne": "neq",
    "neq": "neq",
    "approx": "approx",
    "approxeq": "approx",
    "simeq": "approx",
    "cong": "approx",
    "propto": "propto",
    "in": "in",
    "notin": "notin",
    "subset": "subset",
    "subseteq": "subset",
    "sim": "sim",
    "equiv": "define",
    "triangleq": "define",
    "coloneqq": "define",
    "coloneq": "define",
    "doteq": "define",
    "eqqcolon": "define",
    "to": "to",
    "rightarrow": "to",
    "longrightarrow": "to",
    "mapsto": "to",
    "longmapsto": "to",
    "leftarrow": "to",
    "longleftarrow": "to",
    "gets": "to",
    "Rightarrow": "implies",
    "Longrightarrow": "implies",
    "implies": "implies",
    "Leftarrow": "implies",
    "impliedby": "implies",
    "iff": "iff",
    "Leftrightarrow": "iff",
    "Longleftrightarrow": "iff",
}
SIGNS = {
    "=": "=",
    "<": "lt",
    ">": "gt",
    ":=": "define",
    "=:": "define",
    "::=": "define",
    "==": "=",
    "!=": "neq",
    "<=": "le",
    ">=": "ge",
    "->": "to",
    "<-": "to",
    "=>": "implies",
    "<=>": "iff",
    "<->": "iff",
    ">>": "gg",
    "<<": "ll",
}
NEGATED = {"=": "neq", "in": "notin", "define": "neq"}
RELATION_TEX = {
    "=": "=",
    "neq": r"\neq",
    "lt": "<",
    "le": r"\le",
    "gt": ">",
    "ge": r"\ge",
    "ll": r"\ll",
    "gg": r"\gg",
    "approx": r"\approx",
    "propto": r"\propto",
    "in": r"\in",
    "notin": r"\notin",
    "subset": r"\subset",
    "define": ":=",
    "to": r"\to",
    "implies": r"\implies",
    "iff": r"\iff",
    "sim": r"\sim",
    "and": r"\land",
    "or": r"\lor",
}

SPACES = frozenset([",", ";", ":", "!", ">", " ", "\n", "\t", "/", "thinspace", "enspace", "space"])
"""Commands that print nothing but a gap."""
NOTHING = frozenset(
    """displaystyle textstyle scriptstyle scriptscriptstyle limits nolimits displaylimits nonumber
    notag mathstrut strut allowbreak nobreak hfill hfil hline noindent centering break protect
    big Big bigg Bigg bigl bigr bigm Bigl Bigr Bigm biggl biggr biggm Biggl Biggr Biggm relax
    mathrm mathit mathnormal rm it normalfont operatorname mathop mathbin mathrel mathord mathopen
    mathclose mathpunct ensuremath smash cancel bcancel xcancel scalebox null
    middle negthinspace vcenter eqalign eqalignno displaylines allowdisplaybreaks displaybreak
    hdashline qty tiny scriptsize footnotesize small normalsize large Large LARGE huge qed Box
    square blacksquare qedhere""".split()
)
"""Commands without a meaning of their own; an argument behind them stands for itself."""
DROPPED = {
    "label": 1,
    "hspace": 1,
    "vspace": 1,
    "phantom": 1,
    "hphantom": 1,
    "vphantom": 1,
    "color": 1,
    "textcolor": 1,
    "colorbox": 1,
    "fcolorbox": 2,
    "definecolor": 3,
    "class": 1,
    "cssId": 1,
    "style": 1,
    "htmlClass": 1,
    "htmlId": 1,
    "href": 1,
    "enclose": 1,
    "eqref": 1,
    "ref": 1,
    "cite": 1,
    "footnote": 1,
    "require": 1,
    "noalign": 1,
    "rule": 2,
    "setlength": 2,
}
"""Commands whose first arguments print nothing here."""
TEXT = frozenset(
    "text textrm textsc textit textbf textsf texttt textnormal textup emph mbox hbox intertext "
    "shortintertext".split()
)
ROMAN = frozenset("mathrm operatorname mathit mathop rm symrm mathsf mathtt mathbf".split())
"""Their argument is a word, where it is letters only."""


def is_name(word: str) -> bool:
    """Whether a word can name something: letters, digits, - and _ only."""
    return word[:1].isalpha() and all(c.isalnum() or c in "_-" for c in word)


DOTS = frozenset("dots ldots cdots vdots ddots dotsc dotsb dotsm dotsi hdots hdotsfor".split())

OPENING = {"(": "(", "[": "[", "\\{": "\\{", "\\lbrace": "\\{", "\\lbrack": "["}
OPENING |= {"\\langle": "\\langle", "\\lfloor": "\\lfloor", "\\lceil": "\\lceil"}
OPENING |= {"\\lvert": "|", "\\lVert": "\\lVert"}
CLOSING = {")": "(", "]": "[", "\\}": "\\{", "\\rbrace": "\\{", "\\rbrack": "["}
CLOSING |= {"\\rangle": "\\langle", "\\rfloor": "\\lfloor", "\\rceil": "\\lceil"}
CLOSING |= {"\\rvert": "|", "\\rVert": "\\lVert"}
"""Which opening kind a closing bracket belongs to."""
BARS = {"|": "|", "\\|": "\\lVert", "\\vert": "|", "\\Vert": "\\lVert"}

BRACKET_TEX = {
    "(": (r"\left(", r"\right)"),
    "[": (r"\left[", r"\right]"),
    "\\{": (r"\left\{", r"\right\}"),
    "|": (r"\left|", r"\right|"),
    "\\lVert": (r"\left\lVert ", r"\right\rVert"),
    "\\langle": (r"\left\langle ", r"\right\rangle"),
    "\\lfloor": (r"\left\lfloor ", r"\right\rfloor"),
    "\\lceil": (r"\left\lceil ", r"\right\rceil"),
}

ROW_ENVIRONMENTS = frozenset(
    """aligned align alignat alignedat split gather gathered eqnarray multline multlined flalign
    equation displaymath math subequations dmath dgroup xalignat IEEEeqnarray""".split()
)
WITH_COLUMNS = frozenset("array alignat alignedat xalignat tabular IEEEeqnarray subarray".split())
"""Environments with an argument that says how columns stand."""
MATRICES = frozenset("matrix pmatrix bmatrix Bmatrix vmatrix Vmatrix smallmatrix array".split())
CASES = frozenset("cases dcases rcases".split())
