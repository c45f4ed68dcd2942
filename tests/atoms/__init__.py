"""Tests of tuxpy/atoms. strategies.py makes random chains, world.py gives them descriptors to work on."""
