"""What learners ask, answered where it arises: each question hangs on the rule that raises it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Question:
    """A question, its answer in Markdown, and the id of the rule (or definition) it belongs to."""

    at: str
    text: str
    answer: str


QUESTIONS = (
    Question(
        "define-y",
        "Is the sigmoid a softmax?",
        "Yes, of two classes. Divide by the first exponential:"
        r" $\frac{e^{z_1}}{e^{z_1} + e^{z_2}} = \frac{1}{1 + e^{-(z_1 - z_2)}}$, the sigmoid of the"
        " difference of the two logits.",
    ),
    Question(
        "define-y",
        "Does subtracting the largest logit change anything?",
        r"No. $\frac{e^{z_k - m}}{\sum_{j} e^{z_j - m}} = \frac{e^{z_k}}{\sum_{j} e^{z_j}}$ for"
        " every number $m$, so no derivative changes either. Programs do it so that no exponential"
        " overflows.",
    ),
    Question(
        "define-C",
        "May I apply the softmax twice, once in the network and once in the loss?",
        "No. The loss takes logits and has the softmax inside. A second softmax is another function"
        " with another derivative: it sees numbers between 0 and 1 only, its outputs come out"
        " almost equal, and learning stalls.",
    ),
    Question(
        "other-variable",
        "Why is one output differentiated by another one's input?",
        "Because every logit stands in the denominator of every output. Raise one logit, and all"
        " the other outputs shrink. To look at an output's own logit only gives the diagonal of the"
        " Jacobian.",
    ),
    Question(
        "fold-different",
        "Which output stays where the two letters differ?",
        "Both, as a product. The one comes from the numerator, which is constant here; the other"
        " is what the derivative of the denominator leaves behind.",
    ),
    Question(
        "join-cases",
        "What is the delta, and where does it come from?",
        "It is a way to write the two cases in one line: 1 where its two letters are equal, and 0"
        " where they differ. Nothing new is computed.",
    ),
    Question(
        "pick",
        "Is the sum in the denominator differentiated, and why does only one term survive?",
        "Yes, term by term. But each term holds one logit of its own, and the derivative is by one"
        " logit: all other terms are constants.",
    ),
    Question(
        "through-y",
        "Why is there a sum in the chain rule?",
        "The logit moves all outputs, and each output moves the loss. What arrives by these several"
        " ways adds up, one term for every output.",
    ),
    Question(
        "insert-jacobian",
        "Is the result a matrix or a vector: do I sum rows, or multiply elementwise?",
        "The Jacobian is a matrix, and the loss is one number, so its gradient is a vector. It is"
        " the transposed Jacobian times the vector of the loss's derivatives: the sum over"
        " the outputs is that product. Nothing is multiplied elementwise.",
    ),
    Question(
        "cancel-output",
        "The squared error has output minus target as its gradient, too. What is gained?",
        "This line. The squared error has that gradient by the output; by the logit it is then"
        " multiplied by the Jacobian, which almost vanishes where an output is close to 0 or 1,"
        " however wrong it is. Here the logarithm divides by the output, and the factor cancels.",
    ),
    Question(
        "order",
        "Is it output minus target, or target minus output?",
        "Output minus target, for a loss that is to become small: the loss has a minus sign, which"
        " turns the other order around. Descent subtracts the gradient, so the step itself is"
        " target minus output.",
    ),
    Question(
        "logarithm",
        "May I take the logarithm twice?",
        "No. This line is what a function called log-softmax computes. What it returns is a"
        " logarithm already, and the loss only weighs it with the target; a loss that takes"
        " probabilities takes the logarithm itself.",
    ),
    Question(
        "chain-log",
        "Is it log or ln?",
        r"Here log is the natural logarithm, $\frac{d \log x}{d x} = \frac{1}{x}$. Another base"
        " would divide the loss and its gradient by one and the same constant.",
    ),
    Question(
        "sum-to-one",
        "Which line uses that the target sums to one, and what if it does not?",
        "This one, and no line before it. Without it the sum stays as the factor of the softmax;"
        " that is so for class weights, and for targets that are counts.",
    ),
    Question(
        "unfold-mean",
        "Where does the factor of the mean come from?",
        "From the definition of the mean, and from nowhere else: it is a constant and goes through"
        " every derivative. Take the sum of the rows, and it is gone.",
    ),
)


def asked_at(id: str) -> tuple[Question, ...]:
    """Return the questions that hang on a rule."""
    return tuple(one for one in QUESTIONS if one.at == id)
