"""Torchvision's data sets without one class per image, each with what it has instead."""

from __future__ import annotations

__all__ = ["REFUSED"]

_REASONS = {
    "it is for detection: an image has boxes, not one class": "CocoDetection Kitti VOCDetection WIDERFace",
    "it is for segmentation: a pixel has a class, not an image": "Cityscapes SBDataset VOCSegmentation",
    "it is for captions: an image has sentences, not one class": "CocoCaptions Flickr30k Flickr8k SBU",
    "it is for optical flow, between two images": "FlyingChairs FlyingThings3D HD1K KittiFlow Sintel",
    "it is for stereo matching, of two images": "CREStereo CarlaStereo ETH3DStereo FallingThingsStereo InStereo2k "
    "Kitti2012Stereo Kitti2015Stereo Middlebury2014Stereo SceneFlowStereo SintelStereo",
    "it consists of videos": "HMDB51 Kinetics MovingMNIST UCF101",
    "it consists of pairs, of which is known whether both show the same": "LFWPairs PhotoTour",
    "an image has 40 attributes, not one class": "CelebA",
    "torchvision lists its images in a pickle file that it writes to the working folder and confuses with that of "
    "another folder; export the images": "LSUN LSUNClass",
    "it is what torchvision's data sets are built of, and has no images": "DatasetFolder VisionDataset "
    "wrap_dataset_for_transforms_v2",
}

REFUSED = {name: reason for reason, names in _REASONS.items() for name in names.split()}
