"""Quality of images without a reference: a judge that looks at nothing but the pixels.

Such judges tell whether a reward was met by spoiling the image. The learned ones (BRISQUE, NIQE, MUSIQ) are in packages that
need torchvision or OpenCV, or do not run with a current NumPy, and were fitted to photographs of 512 pixels; scikit-image's
measure of blur needs no weights, is kept, and works on images of any size.
"""

from typing import Any

from svdd.domains.image.pixels import Images
from svdd.domains.image.rewards.image_reward import ImageReward
from svdd.messages import module_of


def sharpness() -> ImageReward:
    """How much of an image's detail is lost when it is blurred once more (0 blurred or flat, to 1 sharp or noisy).

    1 minus the blur effect of Crete and others: the larger part, of rows and columns, of the differences between neighbouring
    pixels that a mean over 11 pixels leaves. It judges rewards that smooth images away, such as compressibility; noise counts
    as detail. Needs scikit-image.

    Raises:
        ImportError: without scikit-image; it names the extra.

    References:
        Crete et al., The blur effect: perception and estimation with a new no-reference perceptual blur metric, Proc. SPIE
        6492, 2007.
    """
    _measure()
    return ImageReward(_sharpness, named=("sharpness", {}))


def _measure() -> Any:
    return module_of("images", "skimage.measure", "sharpness needs scikit-image").blur_effect


def _sharpness(images: Images) -> list[float]:
    blur = _measure()
    return [1 - float(blur(image, channel_axis=-1)) for image in images.permute(0, 2, 3, 1).cpu().double().numpy()]
