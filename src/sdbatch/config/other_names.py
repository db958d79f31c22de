"""Names of keys in other programs (AUTOMATIC1111, ComfyUI, diffusers, Deforum), and the equivalent here."""

from __future__ import annotations

import re

OTHER_NAMES = {
    **dict.fromkeys(("cfg", "cfg_scale", "guidance_scale"), "sampling.guidance"),
    **dict.fromkeys(("num_inference_steps", "inference_steps"), "sampling.steps"),
    **dict.fromkeys(("sampler_name", "sampler_index", "scheduler"), "sampling.sampler"),
    **dict.fromkeys(("width", "height", "size", "resolution", "aspect_ratio"), "canvas (512x768, or a ratio)"),
    **dict.fromkeys(("batch_size", "batch_count", "n_iter", "num_images"), "seeds (0..3 gives four pictures)"),
    **dict.fromkeys(("max_frames", "num_frames"), "motion.frames"),
    **dict.fromkeys(("translation_x", "translation_y"), "motion.x and motion.y (fractions of the view, not pixels)"),
    "translation_z": "motion.zoom (1.04 is a magnification of 1.04, not a step per frame)",
    **dict.fromkeys(("rotation_z", "rotation", "angle"), "motion.roll (a value, not a step per frame)"),
    **dict.fromkeys(("outdir", "out_dir", "output_dir", "output_path"), "output.folder"),
    **dict.fromkeys(("ckpt", "checkpoint", "sd_model", "model_path"), "model=local and model.path"),
    **dict.fromkeys(("denoise", "denoising_strength"), "init.strength, or hires.strength for the second pass"),
    "strength_schedule": "motion.strength, which is 1 minus Deforum's value",
    **dict.fromkeys(("img2img", "init_image", "init_images", "init_img", "input_image"), "init.image"),
    **dict.fromkeys(("inpaint", "inpainting", "mask_image", "inpaint_mask"), "mask.image, beside init.image"),
    "mask_blur": "mask.blur",
    "inpainting_fill": "mask.content",
    "inpaint_full_res_padding": "mask.padding",
    **dict.fromkeys(("controlnet", "controlnets"), "control"),
    **dict.fromkeys(("enable_hr", "hr_scale", "hires_fix", "hr_upscale"), "hires.scale"),
    **dict.fromkeys(("hr_upscaler", "hr_second_pass_steps"), "hires.upscaler, hires.steps"),
    "negative_prompt": "negative",
    "dry_run": "task=plan",
}
_IN_SECTION = {  # where the section says which of several keys is meant
    **{
        f"{section}.{name}": f"{section}.strength"
        for section in ("init", "hires", "motion")
        for name in ("denoise", "denoising_strength")
    },
    **dict.fromkeys(("control.strength", "control.conditioning_scale"), "weight"),
    **dict.fromkeys(("control.model", "control.path"), "net"),
    **dict.fromkeys(("control.module", "control.preprocessor"), "preprocess"),
}
_SECTIONS = ("img2img", "inpaint", "inpainting", "controlnet")  # names of sections of which any key is meant


def hint(key: str) -> str:
    """``use init.strength`` for the dotted ``key`` ``init.denoise``; empty if its name is not one of these."""
    plain = re.sub(r"\[\d+\]|\.\d+(?=\.|$)", "", key)
    section, _, name = plain.rpartition(".")
    found = _IN_SECTION.get(plain) or (OTHER_NAMES[section] if section in _SECTIONS else OTHER_NAMES.get(name))
    return f"use {found}" if found else ""
