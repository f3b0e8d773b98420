"""Where healthy ends: every number that decides a verdict, once, with its reason."""

# What is looked at.
ROWS = 2_000  # of the data: shares are then known to about 1 %
PROBED = 256  # rows of the pass whose activations and gradients are measured
NUMBERS = 8_000_000  # activations of that pass, at most: 32 MB in float32
STEPS = 60  # of a trial at one learning rate: enough to tell learning from standing still
MEMORIZE_STEPS = 200  # of the trial on one batch: Adam fits a dozen rows in less
WORK = 3e9  # multiply-adds of one trial: less than a second

# Loss. A loss of ln K + 1 gives the right class e times less than its fair share; random scores of variance v, as a
# good initialisation has them (v about 1), give ln K + v/2. Max pooling may double the scores from layer to layer:
# LeNet begins 6 above ln 10, and learns well. At ln K + 10 the right class has one 20,000th of its share.
FAR_LOSS, VERY_FAR_LOSS = 1.0, 10.0  # above ln K, in nats
FAR_ERROR, VERY_FAR_ERROR = 3.0, 10.0  # times the loss of zero outputs, where numbers are predicted
LEARNED = 0.5  # of the best constant answer's loss: below it, a network has learned
MEMORIZED = 0.2  # the same, for a handful of rows: a network that works gets there or far below

# Units. In a low-dimensional or all-positive input a fifth of healthy ReLUs may be silent or always on.
DEAD, MOSTLY_DEAD = 0.3, 0.5  # shares of a layer's units
ALWAYS_ON = 0.9
SATURATED, MOSTLY_SATURATED = 0.3, 0.5  # shares of a layer's outputs; trained tanh units reach a third
FLAT = 0.05  # of the steepest slope: a sigmoid or tanh is saturated where its slope is less
SAME_UNITS = (
    0.5  # of a layer's units, alike in weights and gradient: symmetric initialisation makes all of them so
)

SAME = 1e-5  # of their length: two units that differ by less differ by rounding

# Gradients, each weight's norm relative to the weight's own. Between healthy layers they differ by less than 100.
FADED, VANISHED = 1e-3, 1e-5  # of the largest, nearer to the input
GROWN, EXPLODED = 10.0, 100.0  # a step at rate 0.01 would move the weights by their own size
TIME_GROWN = 1e3  # of the gradient, from the last time step to the first
TIME_FADED = 1e-6
FEW_NUMBERS = 4  # of a weight: fewer may by chance all be near 0, and anything is large beside them

# Updates relative to the weights: about 1e-3 is what works (Karpathy's rule of thumb); plain SGD on a good network
# goes from 1e-4 to a few per cent.
TINY_UPDATE, HUGE_UPDATE, OVERTURNING_UPDATE = 1e-6, 0.3, 1.0

# Learning rate: the progress of a trial, as a share of what the best of the tried rates makes.
WARM_UP = 0.5  # a schedule that begins below this share of its highest rate warms up
STANDS_STILL = 0.02  # at such a rate 50 times the steps would be needed
CREEPS = 0.1
APART = 30.0  # factor between rates that is worth a word
SHY = 0.25  # a rate that is too high makes less than this share of what a tenth of it makes
GAINED = 0.3  # of what the best constant answer could lose: at a lower rate, where one's own is still worse than it
NOTHING = 0.02  # of the same: a training that has won less has learned nothing
MOVES = 0.1  # of the loss that can be lost: below it, the trials tell nothing

# Data. Initialisations assume inputs of variance about 1.
LARGE, VERY_LARGE = 5.0, 30.0  # root mean square of a column, and |mean| / deviation
SMALL, VERY_SMALL = 0.03, 1e-3
UNEVEN, VERY_UNEVEN = 30.0, 100.0  # the widest column's deviation, in those of the middle one
CONSTANT = 0.5  # share of columns that never change; pictures have up to a quarter, at their margins
IMBALANCE, STRONG_IMBALANCE = 10.0, 50.0  # the commonest class over the rarest
UNMIXED = 0.5  # classes in a mini-batch, over those in one drawn at random
FEW_NEIGHBOURS, NEIGHBOURS = 100, 5
FEW_HELD = 20  # validation rows: of fewer, mean and deviation tell little
OTHER_SCALE, VERY_OTHER_SCALE = (
    2.0,
    5.0,
)  # validation rows' deviation over the training rows', or the other way around
OTHER_MEAN, VERY_OTHER_MEAN = 1.0, 3.0  # between their means, in the training rows' deviations
ONE_SIDED = 0.9  # agreement by chance: where nearly all labels are the same, neighbours tell nothing
CHANCE = 2.0  # standard errors: agreement of neighbours below it may be chance

# Generalisation.
GAP, WIDE_GAP = 0.2, 0.5  # between validation and training loss, in losses of the best constant answer
RISE = 1.5  # the validation loss over the best that it had
SURE = 2.0  # standard errors by which a gap must be certain
SHARED, WIDELY_SHARED = 0.05, 0.3  # share of the validation rows that are training rows, too
DISAGREE = 2.0  # loss as in prediction over loss as in training, of a network with batch norm

# Settings.
STRONG_DROPOUT, FIERCE_DROPOUT = 0.75, 0.9
FEW_LEFT = 3  # units of a layer that dropout leaves on average
SMALL_BATCH = 4  # rows: batch norm's statistics are mostly noise below

# Watching a training run.
SHARE = (
    0.01  # of the training time that looking may take; what it displaces from the caches costs as much again
)
FIRST_LOOK = 0.001  # seconds that a look is taken to cost before one has been measured
WATCHED = 128  # rows of a look, or those of a mini-batch where this is less
RECENT = 25  # steps over whose mean the loss is judged
MANY_STEPS = 200  # by then a loss moves
STILL = 0.01  # of the loss at first: less is standing still
EPOCHS = 3  # before these, a validation loss may still go up and down
