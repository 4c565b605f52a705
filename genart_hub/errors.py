"""Errors for people: one line that names the place, the rule, the value got and the cure."""

MESSAGES = {
    # arguments
    "not_whole": "{where}: {name} must be a whole number, got {value}.",
    "not_number": "{where}: {name} must be a number, got {value}.",
    "out_of_range": "{where}: {name} must be between {low} and {high}, got {value}.",
    "too_small": "{where}: {name} must be at least {low}, got {value}.",
    "too_large": "{where}: {name} must be at most {high}, got {value}.",
    "not_sizes": "{where}: {name} must be a list of whole numbers of at least 1, got {value}.",
    "not_binary": "{where}: every pixel must be -1 or 1; draw them with metrics.binarise first.",
    "not_levels": "{where}: every pixel must be one of the 256 levels of an 8-bit picture, k / 127.5 - 1; round them first.",
    "not_text": "{where}: {name} must be a text of at most {high} characters, got {value}.",
    "bad_truncation": "{where}: truncation must be above 0 and at most 1, got {value}.",
    "not_multiple": "{where}: {name} must be a multiple of {factor}, got {value}.",
    "not_choice": "{where}: {name} must be one of {choices}, got {value}.",
    "no_classes": "{where} has no classes, so it takes no label; got {value}. Leave the label out.",
    "not_power_of_two": "{where}: {name} must be a power of two between {low} and {high}, got {value}. Use {near} (--size {near} in training).",
    "bad_class_names": "{where}: class_names must be a list of different texts, got {value}.",
    "class_count": "{where}: num_classes is {num_classes}, but there are {count} class_names. Leave num_classes out.",
    "label_count": "{where}: give one label, or one for each of the {n} pictures; got {count}.",
    "no_noise": "{where}: pass generator=torch.Generator().manual_seed(0), or the noise itself as eps=; the global generator is never used.",
    "not_of_family": "{option} is no setting of a {family}; it is one of a {other}. Leave it out.",
    "binarised_gaussian": "{where}: only a Bernoulli VAE sees pixels drawn as black or white. Leave --binarised out, or use --set likelihood='\"bernoulli\"'.",
    "bad_label": "{where}: there is no class {value}. Choose one of: {choices}.",
    "bad_latents": "{where}: latents must be of shape (B, {latent_dim}), got {shape}.",
    "bad_images": "{where}: images must be of shape (B, {channels}, {size}, {size}), got {shape}.",
    "latents_as_count": "{where}: sample takes the number of pictures, and got a tensor of shape {shape}. To draw the pictures of latents, call generate(z).",
    "no_latents": "{where}: latents are a tensor of shape (B, {latent_dim}), got {type}. Draw them with latents(n, seed), or call sample(n) for pictures.",
    "no_images": "{where}: pictures are a tensor of shape (B, {channels}, {size}, {size}) in [-1, 1], got {type}. Make one of a picture with images.from_pil(picture, {size}, {channels}).",
    "bad_seeds": "Seeds are whole numbers with commas between them, such as 0, 7, 42; got {value}.",
    "few_keys": "A walk needs at least two keys, got {count}.",
    "many_seeds": "At most {high} seeds are taken, got {count}.",
    "loop_frames": "A walk through {keys} keys needs at least {low} frames, got {value}.",
    "not_features": "{model} is no feature network. Choose one of: {choices}.",
    "not_png": "{file}: pictures are written as PNG, which carries the recipe. Give a name that ends in .png.",
    "not_vae": "{model} is no VAE, so it cannot reconstruct in one step. Choose one of: {choices}.",
    "not_generative": "{model} makes no pictures from latents. Choose one of: {choices}.",
    "bad_device": "Device {device} is not available here; available: {available}.",
    # finding a model
    "model_not_found": "No model {name}. Tried a bundled model ({bundled}), a folder, and a Hub id of the form owner/name.",
    "bad_subfolder": "subfolder={value} is no folder inside a model's. Write its name, such as unet, without '..' and not from the root.",
    "bad_revision": "revision={value} is no branch, tag or commit. Write it as the Hub shows it, such as main or v1.0.",
    "bad_variant": "variant={value} is no variant of a weight file. Write the word in the file's name: fp16 for model.fp16.safetensors.",
    "bad_token": "The token is no text that can be sent: Latin letters, digits and signs, without spaces. Copy it again from the Hub's settings.",
    "bad_cache_dir": "cache_dir={value} is no folder's name. Give a text or a path, or leave it out.",
    "path_refused": "The app loads bundled models and Hub ids of the form owner/name, not {name}.",
    "hub_no_repo": "{name} is no folder here, and the Hub has no such model that this token may see. Check the spelling, or pass token= for a private one.",
    "hub_gated": "{name} is gated. Accept its terms on its page on the Hub, then pass token=.",
    "hub_not_public": "{name} is no public model of the Hub. Check the spelling; the app's host can offer one that is not public by naming it in GENART_MODELS.",
    "hub_no_revision": "{name} has no revision {revision}. Leave revision= out for the newest one.",
    "hub_no_file": "{name} has no {file} on the Hub, so it is no model of this package.",
    "hub_unreachable": "{name} is no folder here, and the Hub at {endpoint} could not be reached. Check the network, set HF_ENDPOINT to a mirror, or pass local_files_only=True for a copy in the cache.",
    "hub_not_cached": "{name} is not in the local cache. Load it once with the network on and without local_files_only.",
    "hub_refused": "The Hub refused {name} ({status}). Check the name and the token.",
    "hub_answer": "What {endpoint} answered for {name} cannot be used ({reason}). Check HF_ENDPOINT, or try again later.",
    "damaged_file": "{file} of {name} is damaged: its bytes have the hash {found}…, and the Hub names {wanted}…. The copy was removed from the cache; load it again.",
    "hub_no_search": "The Hub at {endpoint} could not be reached. Check the network, or set HF_ENDPOINT to a mirror.",
    "hub_unreachable_now": "The Hub at {endpoint} could not be reached for {name}. Check the network, or set HF_ENDPOINT to a mirror. Nothing was published.",
    "bad_repo_id": "{name} is no name for the Hub. Write owner/name, with letters, digits, '-', '_' and '.'.",
    "no_token": "Publishing needs a token with the right to write. Log in with `hf auth login`, set HF_TOKEN, or pass token=.",
    "not_writable": "This token may not write to {name}. Use a token with the right to write, and a namespace that is yours or your organisation's.",
    "other_library": "{name} already holds a model of another library ({library}). Choose another name.",
    "not_public": "{name} is no model that anybody may load from the Hub, so a Space cannot offer it. Check the spelling, or make it public and ungated first.",
    "other_space": "{name} already holds another app ({file}), which an update would delete. Choose another name.",
    "bad_metadata": "The Hub refuses the card's metadata ({reason}). Mend the block between the two --- lines of README.md.",
    "no_license": "{name} has no licence. Pass license=, such as apache-2.0 (--license on the command line).",
    # a model's folder
    "no_config": "{folder} has no config.json, so it is no model folder. Save one with model.save_pretrained({folder!r}).",
    "bad_card": "{file} is no text in UTF-8 ({reason}). Save it in UTF-8, or remove it.",
    "bad_config": "{file} is not a JSON object ({reason}). Save the model again or restore the file.",
    "config_no_class": "{file} names no _class_name, so it is no model of this package. Save the model again with save_pretrained.",
    "config_too_large": "{file} has {size:,} bytes; a config has at most {limit:,}. This is no config of this package.",
    "unknown_class": "{file} names the class {name}, which is none of {known}. A class of your own loads by {name}.from_pretrained('{place}').",
    "wrong_class": "{folder} holds a {found}, not a {wanted}. Load it with {found}.from_pretrained or genart_hub.from_pretrained.",
    "unknown_keys": "{file} has unknown arguments for {name}: {keys}. Remove them; known are {known}.",
    "newer_version": "{file} was written by genart_hub {written} and has arguments this version ({installed}) does not know: {keys}. "
    "Upgrade with pip install --upgrade genart-hub.",
    "config_refused": "{file}: {name} refuses its arguments: {reason}",
    "config_not_json": "{name}: the argument {argument} is no JSON value, so it cannot be saved. Pass numbers, texts, lists or None.",
    "config_clash": "{name}: the argument {argument} cannot be saved under its name, which stands for something else in config.json. Rename it.",
    "too_many_bytes": "{name} would take {size:,} bytes, more than max_bytes={limit:,}. Check its config, or pass a larger max_bytes.",
    "no_weights": "{folder} has no {file}. Save the model again with save_pretrained.",
    "pickle_only": "{folder} has only {file}, a pickle, which can run any code and is never opened. "
    "Ask for safetensors, or convert it where you trust it.",
    "weights_unreadable": "{file} is not a readable safetensors file ({reason}). Download or save it again.",
    "weights_not_finite": "{file}: {tensor} holds numbers that are not finite (NaN or infinity), so it makes no pictures. Save the model again from a state before that, or train it anew.",
    "has_adapters": "{name} has adapters in it ({tensor}), which a pipeline's folder cannot hold. Call fuse_lora() and unload_lora_weights() of its pipeline, or only the latter, and save again.",
    "weights_mismatch": "{file} does not fit {name}: {problems}. It is of another model or another version.",
    "cannot_write": "{path} could not be written ({reason}). Nothing was changed; make room there, or choose another place.",
    "no_features": "No bundled feature network sees pictures of {channels} channels and {size} px. Train one with genart-hub train classifier, "
    "and pass it with --features.",
    "not_finite": "{model} makes pictures whose pixels are no numbers. Load other weights, or train it anew with a lower learning rate.",
    "no_inception": "The weights of the Inception network could not be downloaded ({reason}). Check the network, or measure with a bundled "
    "feature network, which needs none: {choices}.",
    # pictures
    "bad_picture": "{file} is not a picture that can be read ({reason}). Use a PNG, JPEG, GIF or WebP file.",
    "picture_too_large": "{file} has {width}x{height} pixels; at most {limit:,} are taken. Make it smaller first.",
    "no_picture": "There is no picture yet. Upload one, draw one, or pick an example.",
    "no_recipe": "{file} carries no genart_hub recipe. Use a PNG that this package saved, not a copy that lost its text.",
    "bad_recipe": "{file}: its recipe is damaged ({reason}). Sample the picture again and save it anew.",
    "other_weights": "The picture was made with other weights of {name} ({wanted} there, {found} here). "
    "Load the revision that made it, or sample anew.",
    "run_elsewhere": "{file} was made by {name}, which is no bundled model and lies in no folder at the picture. Say where it is: genart-hub sample runs/{name} --from {file}",
    "fixed_by_recipe": "{option} cannot be given beside --from: it comes from the picture's recipe. Leave it out, or sample without --from.",
    "several_labels": "{file} has a class for each picture; the app takes one for all. Make it again with genart-hub sample --from {file}.",
    "no_field": "{file} was made with settings that the app has no field for ({names}). Make it again with genart-hub sample --from {file}.",
    "no_frames": "An animation needs at least one frame.",
    "bad_animation": "{file}: only .gif and .webp animations can be written here. For {suffix}, convert a .webp with ffmpeg.",
    # reasons, which stand inside a sentence
    "reason_format": "it is of no known picture format",
    "reason_pixels": "it has far too many pixels",
    "reason_missing": "there is no such file",
    "reason_no_json": "it is no JSON object",
    "reason_no_model": "it names no model",
    "reason_field": "{field} is {value}",
    "reason_type": "it is a {type}",
    "reason_empty": "it is empty",
    "reason_twice": "its header names {key} twice",
    "reason_header_size": "its header has {size:,} bytes",
    "reason_no_header": "its header is no JSON object",
    "reason_header": "its {header} is {value}",
    "reason_listed": "it lists a file {file}",
    "reason_pickle": "it is a pickle under another name, which is never opened",
    "reason_row": "row {row} names no picture below it",
    "reason_label": "the label of row {row} is {value}",
    "reason_gone": "it is gone again",
    "reason_pointer": "it is a Git LFS pointer; run git lfs pull",
    "reason_no_emojis": "it is no list of emojis",
    "reason_no_part": "its part {part} is missing or incomplete",
    "reason_pickle_part": "it has only {file}, a pickle, which can run any code and is never opened",
    "reason_code": "it holds the file {file}, and code that comes with a model is never run",
    "reason_library": "its part {part} is of {library}, and only those of {known} are loaded",
    "reason_part": "its part {part} cannot be a {type}",
    "reason_link": "its {file} is a link that leads out of the folder",
    "reason_elsewhere": "its {file} has {key}, which leads to code or files from elsewhere",
    "reason_weights": "its {file} names {weights}, and weights are read from .safetensors files beside it only",
    "reason_files": "it holds more than {limit:,} files",
    "reason_large": "{file} has {size:,} bytes, more than {limit:,}",
    "reason_json": "{file} is no JSON object: {reason}",
    "reason_deep": "it is nested deeper than {limit} levels",
    "reason_layers": "its part {part} has more than {limit:,} layers",
    "reason_shapes": "its part {part} does not fit the others: {shape} where {wanted} belongs",
    "reason_schedule": "{file} gives steps that are no numbers, or far too many",
    "reason_prompt": "it has a prompt, and {model} reads none",
    "reason_no_prompt": "it has no prompt, and {model} needs one",
    "reason_no_index": "it has no model_index.json",
    "reason_fp16": "it needs a GPU",
    # data
    "no_data": "{path} does not exist. Give a .parquet file or a folder of pictures.",
    "empty_data": "{path} holds no pictures. Give a .parquet file with an image column or a folder of pictures.",
    "no_labels": "{path} has no labels, which are needed to {purpose}. Use class folders or a parquet file with a label column.",
    "broken_pictures": "{path}: {count} of {total} pictures cannot be read, where {limit} may be; the first is {first}. Remove them and start again.",
    "unreadable_data": "{path} cannot be read ({reason}). Check who may read it.",
    "empty_class": "{path}: the class {name} has no picture that can be read. Add pictures to it, or remove it.",
    "missing_labels": "{path}: {count} pictures have no label, which is needed to {purpose}. Label them, or leave them out.",
    "no_image_column": "{path} has no image column; it has {choices}. Give a table whose pictures stand in a column as Hugging Face `datasets` writes it.",
    "picture_outside": "{file}: row {row} names the picture {value}, which does not lie in the dataset's own folder. Move it there, or keep its bytes in the table.",
    "no_split": "{path} has no split {split}. Choose one of: {choices}.",
    "bad_table": "{file} is no table of pictures ({reason}). Give each picture a line with its file_name, as Hugging Face imagefolder has it.",
    "hub_no_dataset": "{name} is no file or folder here, and the Hub has no such dataset that this token may see. Check the spelling, or pass token= for a private one.",
    "hub_no_dataset_now": "{name} is no file or folder here, and the Hub at {endpoint} could not be reached. Check the network, or set HF_ENDPOINT to a mirror.",
    "bad_dataset": "{name} cannot be loaded as a dataset of pictures ({reason}). Download it and give a folder of its parquet files or pictures.",
    "few_pictures": "{path} has too few pictures: {count}, fewer than {low} ({purpose}). Add pictures or make the number smaller.",
    "other_classes": "{path}: the model has no class {name}. Name the column that holds its classes with --label; there are {column}.",
    "missing_captions": "{path}: {count} pictures have no caption in the column {column}. Fill it, or name another one with --caption.",
    "precision_refused": "Training in {precision} needs another device than {device} ({reason}). Leave --precision out.",
    "no_column": "{path} has no column {column}; it has {choices}.",
    "nothing_held_out": "{path}: no class has all of three or more variants of {column}, so nothing can be held out.",
    "uneven_batch": "A batch of {batch_size} cannot be cut into {parts} equal parts. Choose a multiple of {parts} (processes times accumulation).",
    "no_emojis": "{path} has no pictures of the style {style} that can be used under png/128. Give a clone of {url}.",
    "no_emojibase": "{path} has no usable {file} ({reason}). Give a clone of https://github.com/milesj/emojibase, or its npm package emojibase-data.",
    "needs_package": "This needs the package {package}. Install it with: pip install {install}",
    # training
    "unknown_recipe": "There is no recipe {recipe} for {model}; there are {choices}.",
    "run_exists": "{path} already holds a run or a model. Go on with --resume where it is a run, or give another --out.",
    "run_in_use": "Another process trains into {path} now. Wait until it is done, stop it, or give another --out.",
    "no_checkpoint": "{path} holds no checkpoint to resume. Start without --resume.",
    "no_stage": "{path} holds no {stage} yet. Train it first: genart-hub train-diffusion with --stage {stage}.",
    "other_run": "{path} was started with another {what} ({was}, now {now}). Resume with the same one, or give another --out.",
    "diverged": "The loss is not a number at step {step}. Lower the learning rate and start in another folder; what was saved until step {saved} is kept in {path}.",
    "diverged_at_once": "The loss is not a number at step {step}, before anything was saved. Lower the learning rate.",
    "other_weights_measured": "{file} measured other weights than those in its folder. Measure these with genart-hub evaluate and --json, "
    "or remove the file.",
    "fewer_epochs": "{path} has done {done} steps already, more than the {asked} of {epochs} epochs. Give more --epochs to go on.",
    # Stable Diffusion
    "not_pipeline": "{name} is no Stable Diffusion pipeline that diffusers can load ({reason}). Give a folder or id with a model_index.json.",
    "empty_prompt": "The prompt is empty. Write what the picture should show.",
    "needs_prompt": "{model} makes pictures from words. Say what they should show with --prompt on the command line, or prompt= in Python.",
    "prompt_count": "Give one prompt, or one for each of the {n} pictures; got {count}.",
    "bad_side": "The {name} of a picture must be a multiple of {multiple} px, got {value}. Use {low} or {high}.",
    "bad_mask": "The mask must be of shape (1, 1, {height}, {width}), with 1 where to paint anew; got {shape}.",
    "four_channels": "Inpainting needs a pipeline of 4 latent channels, and {name} has {channels}. Use img2img, or one of: {choices}.",
    "too_little_memory": "{name} needs about {needed:.2f} GB of memory, and {free:.2f} GB are free. Close other programs, or use a smaller model such as {smaller}.",
    "long_prompt": "The prompt has {count:,} characters; at most {limit:,} are taken. Shorten it.",
    # the command line
    "no_model_named": "Name a model: {choices}, a folder, or a Hub id owner/name.",
    "bad_setting": "--set takes NAME=JSON, such as latent_dim=20; got {text} ({reason}).",
    "bad_weight": "--class-weight takes NAME=W, such as cats=2; got {text}.",
    # the app
    "too_many_jobs": "{count} requests from here are waiting already. Ask again when one of them is answered.",
    "too_busy": "The app has {count} requests to answer already. Ask again in a minute.",
    "nobody_listens": "Nobody was listening for the answer any more, so it was not worked out. Ask again.",
    "job_too_long": "The answer took more than {limit:g} seconds of work and was given up. Ask for less at a time.",
    "not_agreed": "{name} is loaded only for a page that has read what it takes and agreed. Choose it on the page, and tick the box below it.",
    "unexpected": "Something went wrong here ({reason}). Please try again.",
}


class GenartError(ValueError):
    """An error that a user can cause and cure: a code and its values; its text is the English sentence.

    A value may be a GenartError itself, a reason within the sentence.
    """

    def __init__(self, code: str, **values):
        super().__init__(MESSAGES[code].format(**values))
        self.code, self.values = code, values

    def __reduce__(self):
        return _rebuild, (self.code, self.values)


def _rebuild(code: str, values: dict) -> GenartError:
    return GenartError(code, **values)


def shorten(value: object, limit: int = 60) -> str:
    """A value as it stands in an error: one line of at most `limit` characters."""
    try:
        text = " ".join(repr(value).split())
    except (ValueError, RecursionError):  # a number of thousands of digits
        text = f"a {type(value).__name__}"
    return text if len(text) <= limit else text[: limit - 1] + "…"


def first_line(error: BaseException, limit: int = 120) -> str:
    """The first line of an exception's text, for an error that must name a cause of somebody else's."""
    lines = str(error).strip().splitlines()
    line = lines[0].strip().rstrip(".") if lines else type(error).__name__
    return line if len(line) <= limit else line[: limit - 1] + "…"


def whole(where: str, name: str, value: object, low: int | None = None, high: int | None = None) -> int:
    """`value` as a whole number within [low, high], or an error that names `where` and `name`; 3.0 is 3."""
    result = int(value) if isinstance(value, float) and value.is_integer() else value
    try:
        result = None if isinstance(result, bool) else result.__index__()
    except (AttributeError, TypeError, ValueError):  # a tensor or an array has the method, and may refuse
        result = None
    if result is None:
        raise GenartError("not_whole", where=where, name=name, value=shorten(value))
    return _bounded(where, name, result, low, high)


def power_of_two(where: str, name: str, value: object, low: int, high: int) -> int:
    """`value` as a power of two within [low, high], or an error that names the nearest one."""
    result = whole(where, name, value)
    if not low <= result <= high or result & (result - 1):
        near = min((2**k for k in range(low.bit_length() - 1, high.bit_length())), key=lambda power: abs(power - result))
        raise GenartError("not_power_of_two", where=where, name=name, low=low, high=high, value=shorten(value), near=near)
    return result


def number(where: str, name: str, value: object, low: float | None = None, high: float | None = None) -> float:
    """`value` as a float within [low, high], or an error that names `where` and `name`."""
    try:
        result = float(value) if not isinstance(value, bool) else float("nan")
    except (TypeError, ValueError, OverflowError):
        result = float("nan")
    if result != result:
        raise GenartError("not_number", where=where, name=name, value=shorten(value))
    return _bounded(where, name, result, low, high)


def text(where: str, name: str, value: object, high: int) -> str:
    """`value` as a text of at most `high` characters that can be sent, without the space around it, or an error."""
    if not isinstance(value, str) or len(value) > high or value != value.encode("utf-8", "replace").decode("utf-8"):
        raise GenartError("not_text", where=where, name=name, high=high, value=shorten(value))
    return value.strip()


def choice(where: str, name: str, value: object, choices) -> object:
    """`value` if it is one of `choices`, else an error that lists them."""
    if value not in tuple(choices):
        raise GenartError("not_choice", where=where, name=name, choices=", ".join(map(str, choices)), value=shorten(value))
    return value


def sizes(where: str, name: str, value: object) -> list[int]:
    """`value` as a list of layer widths, or an error."""
    valid = isinstance(value, list | tuple) and all(isinstance(size, int) and not isinstance(size, bool) and size >= 1 for size in value)
    if not valid or not value:
        raise GenartError("not_sizes", where=where, name=name, value=shorten(value))
    return list(value)


def _bounded(where, name, value, low, high):
    if low is not None and high is not None and not low <= value <= high:
        raise GenartError("out_of_range", where=where, name=name, low=low, high=high, value=shorten(value))
    if high is not None and value > high:
        raise GenartError("too_large", where=where, name=name, high=high, value=shorten(value))
    if low is not None and value < low:
        raise GenartError("too_small", where=where, name=name, low=low, value=shorten(value))
    return value
