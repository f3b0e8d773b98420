"""Where the users already are: clearprop's networks in scikit-learn, and what else speaks to other tools."""
