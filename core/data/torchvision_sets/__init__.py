"""Torchvision's data sets that have one class per image: what each is made of, and how it is opened.

found = open_torchvision("EMNIST:letters:test", "data")
found.labels[3], found.class_names, found.picture(3)
"""

from core.data.torchvision_sets.opening import Opened, open_torchvision

__all__ = ["Opened", "open_torchvision"]
