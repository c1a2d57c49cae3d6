"""The English words, for tests that look at what is drawn."""

from visualizers.words import read_words

ENGLISH = read_words("en")
