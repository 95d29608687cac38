"""Every rule of the checker: code -> (title, explanation, example)."""

from __future__ import annotations

RULES: dict[str, tuple[str, str, str]] = {
    "step-true": (
        "The step is true",
        "Both sides are equal at every point that was tried, for all values of the free letters.",
        r"\sum_k y_k = 1 where y is a softmax",
    ),
    "step-false": (
        "The step is false",
        "Both sides were computed exactly at the same point and differ. The witness is such a "
        "point, small enough to redo on paper; the repair, where there is one, is a single edit "
        "that makes the step true.",
        r"-\sum_k t_k (\delta_{ki} - y_i) = -t_i + \sum_k y_i: the second sum has lost its t_k",
    ),
    "step-inherits": (
        "The step is false only because the one before is",
        "As written both sides differ; with the step before it mended it would be true. Two "
        "errors that cancel look like this.",
        r"A = B with an error in B, then B = C where C is what A really is",
    ),
    "case-wrong": (
        "The step is true in the other case",
        "The case that is open says j = k where the step needs j ≠ k, or the other way round.",
        r"under j \neq k: \partial y_k / \partial z_j = y_k (1 - y_k)",
    ),
    "assumption-declared": (
        "True under an assumption that the text declares",
        "The step is not true for all targets; it is under the assumption named, which the "
        "text makes at the line given.",
        r"y_j \sum_k t_k - t_j = y_j - t_j, where the text says that t sums to 1",
    ),
    "assumption-undeclared": (
        "True only under an assumption that the text does not make",
        "The step is not true for all targets. Say what it needs: that the targets sum to 1, "
        "that they are one-hot, that there is one row.",
        r"y_j \sum_k t_k - t_j = y_j - t_j, where nothing says that t sums to 1",
    ),
    "letter-unbound": (
        "A letter stands free on one side only",
        "A free letter is meant for all its values. If it stands on one side only, the equality "
        "cannot hold for all of them: a sum over it is missing, or it is the wrong letter.",
        r"\frac{\partial E}{\partial z_i} = \frac{\partial E}{\partial y_o} "
        r"\frac{\partial y_o}{\partial z_i} lacks \sum_o",
    ),
    "condition-letter": (
        "A condition speaks of a letter that the statement does not have",
        "The condition behind a statement has to restrict its own letters.",
        r"all other y_j = 0 where i \neq o",
    ),
    "letter-undeclared": (
        "A letter appears that nothing introduces",
        "The letter stands for the class of the one-hot target, it seems, but the text never "
        "says so.",
        r"y_j - t_j = y_j - 1 if j = \gamma",
    ),
    "notation-call": (
        "A function is applied to something it does not take",
        "A function of numbers applied to an index, or with the wrong number of arguments.",
        r"\sigma(k) where \sigma(z_k) is meant",
    ),
    "shape-mismatch": (
        "Shapes differ",
        "A number, a vector and a matrix are not equal, and do not add.",
        r"\frac{\partial E}{\partial \vec z} = y_i - t_i",
    ),
    "scope-ambiguous": (
        "How far a sum or derivative reaches changes the verdict",
        "Read up to the next + or - the step is false; read over the terms behind it, true. "
        "Brackets say which is meant.",
        r"\frac{\partial}{\partial x} x^2 + 3x = 2x + 3",
    ),
    "shape-unclear": (
        "Shapes that were not understood",
        "As the letters were read, a number stands where a vector should, or the other way round. "
        "Texts use a letter for both and leave indices out, so this says nothing against them.",
        r"\mathbf{Y} = \mathbf{X} \mathbf{W} + b",
    ),
    "unclear": (
        "Not understood well enough to be judged",
        "Something had to be guessed to read the step, or it is said of one example or under a "
        "condition of the sentence. As read it does not hold; that says nothing.",
        r"When z = 0 we get \sigma(z) = 0.5",
    ),
    "condition": (
        "A condition that is set",
        "An equation that holds for some values only, to be solved or assumed.",
        r"\theta^T x = 0 on the decision boundary",
    ),
    "step-rounded": (
        "True to the digits that are written",
        "A number with decimals is meant to be rounded: it is right up to half a unit of its last "
        "digit, or a whole unit where what goes in is rounded, too.",
        r"e^1 = 2.718",
    ),
    "reason-false": (
        "The reason given is false",
        'The mathematics in a "since" or "because" does not hold.',
        r"since \sum_k y_k = K",
    ),
    "reason-letter-taken": (
        "A reason uses a letter that is taken",
        "The correct class gets the letter that already stands for any class; the line would "
        "then hold for that class only.",
        r"= y_j - t_j, since t_k = 1 only for the correct class, which we call j",
    ),
    "definition": (
        "A definition",
        "The symbol on the left has not been seen before, or is given a meaning explicitly.",
        r"y_k = \frac{e^{z_k}}{\sum_j e^{z_j}}",
    ),
    "definition-again": (
        "A definition said again",
        "The same quantity with the same meaning, perhaps with other letters.",
        r"y_i = \frac{e^{z_i}}{\sum_n e^{z_n}} behind y_k = \frac{e^{z_k}}{\sum_j e^{z_j}}",
    ),
    "definition-new": (
        "A symbol gets a second meaning",
        "From here on the new definition holds.",
        r"L = \sum_k (y_k - t_k)^2 behind L = -\sum_k t_k \log y_k",
    ),
    "definition-instance": (
        "A value put in",
        "An example or a choice of a value; it restricts nothing else.",
        r"\mathbf{y} = (0, 0, 1, 0)",
    ),
    "definition-recursive": (
        "A quantity by other elements of itself, or an update",
        "Read as a definition; steps that would need it are not decided by it.",
        r"z_o = \sum_j w_{jo} z_j",
    ),
    "not-analysis": (
        "Not mathematics that we define",
        "Probabilities of events, words, or a property of something that is never defined.",
        r"y_k = P(l = k \mid x)",
    ),
    "undefined": (
        "What is claimed is about something that the text never defines",
        "It can be neither proved nor refuted from the text.",
        r"\frac{\partial E}{\partial y_k} = y_k - t_k where E is never given",
    ),
    "unsupported": (
        "Not read or not decided",
        "A token or construction is beyond the checker; it is counted, never passed over.",
        r"\oint",
    ),
    "symbol-two-meanings": (
        "One letter for two things",
        "The letter is defined twice, or used for quantities of different kinds.",
        r"z = \sum_j e^{z_j}",
    ),
    "size-two-names": (
        "Two names for one size",
        "Two sums over the same index set end at different letters.",
        r"\sum_{k=1}^K e^{z_k} and \sum_{j=1}^J e^{z_j}",
    ),
    "letter-unused": (
        "A sum's letter does not occur in it",
        "All its terms are the same, though they have an index: probably the wrong one.",
        r"\frac{e^{z_i}}{\sum_{j=1}^K e^{z_i}}",
    ),
    "letter-shadowed": (
        "A letter is free and bound in one step",
        "The sum's letter also stands free in the step. It is read as its own, but readers "
        "stumble.",
        r"\frac{\partial L}{\partial y_o} = -\sum_o \frac{t_o}{y_o}",
    ),
    "scope-extended": (
        "A sum reaches further than its brackets say",
        "A sum ends at the next + or -. Here that would leave its letter unbound, so it was read "
        "as reaching over the terms behind it.",
        r"\sum_k t_k \log S - t_k z_k",
    ),
    "sum-no-index": (
        "A sum does not say what runs",
        "The letter was inferred from what is summed, or from the text.",
        r"\frac{e^{z_i}}{\sum e^{z_j}}",
    ),
    "definition-arguments": (
        "A definition names fewer arguments than it depends on",
        "An element of the softmax depends on all the scores, not on its own alone.",
        r"y_i(z_i) = \frac{e^{z_i}}{\sum_k e^{z_k}}",
    ),
    "size-and-set": (
        "One letter is a set and a number",
        "It stands behind \\in and also as a number.",
        r"\frac{1}{N} \sum_{n \in N}",
    ),
    "index-and-count": (
        "An index letter also counts",
        "A letter that runs in a sum is used in the text as a number of things.",
        r"where the sum is over the k outputs: \sum_k",
    ),
    "errors-cancel": (
        "The ends of a chain agree although steps between them are false",
        "A right final line proves nothing about the steps: two errors cancel.",
        "A = B (false), B = C (false), yet A = C",
    ),
    "chain-false": (
        "The ends of a chain differ",
        "The first false step is named; all behind it rests on it.",
        "A = B = C with B = C false",
    ),
    "internal-error": (
        "The checker failed at this step",
        "A fault of the checker, not of the text. Please report it with the formula.",
        "any; there should be none",
    ),
    "time": (
        "Not decided in time",
        "The check ran out of time before this step.",
        "a sum of many nested sums",
    ),
}
