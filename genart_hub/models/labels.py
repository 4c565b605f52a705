"""Classes by index or by name."""

from collections.abc import Sequence

from genart_hub.errors import MAX_CLASSES, GenartError, shorten, whole


def names_of_classes(where: str, num_classes: object, class_names: object, low: int = 0) -> tuple[str, ...]:
    """The classes' names, or their numbers as names. Raises GenartError for names that are no texts, not unique, or of another count."""
    num_classes = whole(where, "num_classes", num_classes, 0, MAX_CLASSES)
    names = tuple(class_names) if isinstance(class_names, list | tuple) else (None,)
    if not all(isinstance(name, str) and name for name in names) or len(set(names)) != len(names) or len(names) > MAX_CLASSES:
        raise GenartError("bad_class_names", where=where, value=shorten(class_names))
    if names and num_classes not in (0, len(names)):
        raise GenartError("class_count", where=where, num_classes=num_classes, count=len(names))
    names = names or tuple(map(str, range(num_classes)))
    if len(names) < low:
        raise GenartError("too_small", where=where, name="num_classes", low=low, value=len(names))
    return names


def index_of_class(where: str, label: object, class_names: Sequence[str]) -> int:
    """The index of a class that is given by its index or its name, or an error that lists the classes."""
    if isinstance(label, str):
        name = label.strip()
        if name in class_names:
            return class_names.index(name)
        label = int(name) if name.isdecimal() and len(name) < 10 else label
    if isinstance(label, float) and label.is_integer():
        label = int(label)
    if isinstance(label, bool) or not hasattr(label, "__index__") or not 0 <= label.__index__() < len(class_names):
        choices = ", ".join(f"{index} {name}" if name != str(index) else name for index, name in enumerate(class_names[:20]))
        more = ", …" if len(class_names) > 20 else ""
        raise GenartError("bad_label", where=where, value=shorten(label), choices=choices + more)
    return label.__index__()
