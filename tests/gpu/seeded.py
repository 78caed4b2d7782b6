#!/usr/bin/python3
"""Runs a PyTorch program with a different seed from the one it sets itself.

    seeded.py SEED program.py arguments ...
"""

import os
import runpy
import sys

import torch

seed, program = int(sys.argv[1]), sys.argv[2]
original = torch.manual_seed
torch.manual_seed = lambda _: original(seed)
sys.argv = sys.argv[2:]
sys.path.insert(0, os.path.dirname(os.path.abspath(program)))
sys.path.remove(os.path.dirname(os.path.abspath(__file__)))
runpy.run_path(program, run_name="__main__")
