"""The assignments as something to do: folders to start from, checks, hand-ins, answers, experiments."""
