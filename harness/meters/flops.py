"""Floating-point operations of a request, counted from shapes at torch's dispatcher."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from math import prod
from typing import Any

from harness.api import Device, Measure, Reading, Workload

SOURCE = "torch.FlopCounterMode"
REST = "rest"  # work after the last mark

Shape = Sequence[int]


class Flops:
    """Counts one whole request, uncompiled, in the attention kernel it runs with.

    `flops` counts a multiplication and an addition each: 2 × MACs. Counted are matrix products,
    convolutions and attention, as torch's FlopCounterMode defines them, and what that misses
    (`formulas`). Attention counts densely, torch's convention: a causal mask halves nothing, and
    neither do zeros in weights. Custom kernels that don't pass the dispatcher are not seen.

    The detail holds `phases` (what ran before each mark, by its name), `counted` (by operator) and
    `uncounted`: calls of operators without a formula that compute something, elementwise ones,
    views, copies and allocations left out. `flops` is a lower bound where that names heavy ones.
    """

    name = "flops"
    timed = False
    revision = 1

    def unavailable(self, device: Device) -> str | None:
        return None

    def read(self, workload: Workload, measure: Measure) -> list[Reading]:
        if "torch" not in sys.modules:
            return [Reading("flops", None, "FLOP", SOURCE, "the subject does not compute with torch")]
        import torch

        with torch.compiler.set_stance("force_eager"), counting(workload) as count:
            workload.run(0)
        return [count.reading()]


class Count:
    """What one request came to."""

    def __init__(self, mode: Any) -> None:
        self._mode = mode
        self._totals: list[tuple[str, int]] = []  # at each mark
        self.uncounted: Counter[str] = Counter()

    @property
    def total(self) -> int:
        return int(self._mode.get_total_flops())

    def mark(self, phase: str) -> None:
        self._totals.append((phase, self.total))

    def phases(self) -> dict[str, int]:
        """FLOPs since the mark before, by the mark that ends them; marks of one name add up."""
        found: Counter[str] = Counter()
        before = 0
        for phase, total in self._totals:
            found[phase] += total - before
            before = total
        if self.total > before:
            found[REST] += self.total - before
        return dict(found)

    def reading(self) -> Reading:
        counted = {
            str(operator): int(flops) for operator, flops in self._mode.get_flop_counts().get("Global", {}).items()
        }
        detail = {"phases": self.phases(), "counted": counted, "uncounted": dict(sorted(self.uncounted.items()))}
        if not counted:
            return Reading("flops", None, "FLOP", SOURCE, "no operator with a formula ran in torch", detail=detail)
        return Reading("flops", float(self.total), "FLOP", SOURCE, detail=detail)


@contextmanager
def counting(workload: Workload) -> Iterator[Count]:
    """Counts while it is open, split at the subject's marks; the subject's marker is put back whatever happens."""
    from torch.utils.flop_counter import FlopCounterMode

    mode = FlopCounterMode(display=False, custom_mapping=formulas())
    count = Count(mode)
    subject, marker = workload.subject, workload.subject.marker
    subject.marker = count.mark
    try:
        # The mode entered last sees an operator first: the counter decomposes it where it can, and
        # only what it then really runs reaches the listing.
        with listing(mode.flop_registry, count.uncounted), mode:
            yield count
    finally:
        subject.marker = marker


def formulas() -> dict[Any, Callable[..., int]]:
    """Formulas for torch's counter, by operator: those it lacks (torch 2.11 to 2.14), and attention's.

    Attention's replace torch's own, some of which refuse grouped heads.
    """
    import torch

    aten = torch.ops.aten
    named: dict[Callable[..., int], Sequence[str]] = {
        attention_flops: (
            "_scaled_dot_product_flash_attention_for_cpu",
            "_scaled_dot_product_fused_attention_overrideable",
            "_scaled_dot_product_flash_attention",
            "_scaled_dot_product_efficient_attention",
            "_scaled_dot_product_cudnn_attention",
        ),
        attention_backward_flops: (
            "_scaled_dot_product_flash_attention_for_cpu_backward",
            "_scaled_dot_product_fused_attention_overrideable_backward",
            "_scaled_dot_product_flash_attention_backward",
            "_scaled_dot_product_efficient_attention_backward",
            "_scaled_dot_product_cudnn_attention_backward",
        ),
        product_flops: (
            "mv",
            "dot",
            "vdot",
            "_int_mm",
            "_scaled_mm_v2",
            "_weight_int8pack_mm",
            "_weight_int4pack_mm",
            "_weight_int4pack_mm_for_cpu",
            "_weight_int4pack_mm_with_scales_and_zeros",
            "_dyn_quant_matmul_4bit",
        ),
        added_product_flops: ("addmm_", "addmv", "addmv_", "baddbmm_", "_addmm_activation"),
        summed_product_flops: ("addbmm", "addbmm_"),
        grouped_product_flops: ("_grouped_mm", "_scaled_grouped_mm", "_scaled_grouped_mm_v2"),
    }
    return {getattr(aten, name): formula for formula, names in named.items() for name in names if hasattr(aten, name)}


def attention_flops(query: Shape, key: Shape, value: Shape, *args: Any, **kwargs: Any) -> int:
    """Scores and their product with the values. Shapes [batch, heads, length, size]; key heads may be fewer."""
    batch, heads, queries, size = query
    return 2 * batch * heads * queries * key[-2] * (size + value[-1])


def attention_backward_flops(gradient: Shape, query: Shape, key: Shape, value: Shape, *args: Any, **kwargs: Any) -> int:
    """Scores again and the gradients of queries and keys; the gradients of scores and values."""
    batch, heads, queries, size = query
    return 2 * batch * heads * queries * key[-2] * (3 * size + 2 * value[-1])


def product_flops(left: Shape, right: Shape, *args: Any, out_shape: Shape, **kwargs: Any) -> int:
    """[…, k] times anything packed over k."""
    return 2 * prod(out_shape) * left[-1]


def added_product_flops(added: Shape, left: Shape, right: Shape, *args: Any, out_shape: Shape, **kwargs: Any) -> int:
    return product_flops(left, right, out_shape=out_shape)


def summed_product_flops(added: Shape, left: Shape, right: Shape, *args: Any, **kwargs: Any) -> int:
    """[b, m, k] times [b, k, n], summed over b."""
    return 2 * prod(left) * right[-1]


def grouped_product_flops(left: Shape, right: Shape, *args: Any, **kwargs: Any) -> int:
    """Every row, column or slice of k belongs to one group, unless both sides carry the group: [g, m, k], [g, k, n]."""
    groups = left[0] if len(left) == len(right) == 3 else 1
    return 2 * groups * left[-2] * left[-1] * right[-1]


def listing(registry: dict[Any, Any], uncounted: Counter[str]) -> Any:
    """A dispatch mode that tallies operators in none of `registry` that compute something."""
    from torch.utils._python_dispatch import TorchDispatchMode

    @cache
    def missed(operator: Any) -> str | None:
        packet = getattr(operator, "_overloadpacket", operator)
        return None if packet in registry or moves_only(operator) else str(packet)

    class Listing(TorchDispatchMode):  # type: ignore[misc]
        supports_higher_order_operators = True

        def __torch_dispatch__(self, operator: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            if (name := missed(operator)) is not None:
                uncounted[name] += 1
            return operator(*args, **(kwargs or {}))

    return Listing()


def moves_only(operator: Any) -> bool:
    """Elementwise, a view, a copy or an allocation: nothing that FLOP counts include by convention."""
    import torch

    if torch.Tag.pointwise in getattr(operator, "tags", ()) or operator.namespace == "prim":
        return True
    schema = getattr(operator, "_schema", None)
    returns = schema.returns if schema is not None else ()
    is_view = bool(returns) and all(one.alias_info is not None and not one.alias_info.is_write for one in returns)
    name = str(getattr(operator, "_overloadpacket", operator)).removeprefix("aten.")
    return is_view or name.startswith(ALLOCATIONS) or name in COPIES


ALLOCATIONS = ("empty", "new_empty", "zeros", "new_zeros", "ones", "new_ones", "full", "new_full", "arange", "eye")
COPIES = frozenset(
    {
        "_local_scalar_dense",
        "_reshape_alias",
        "_to_copy",
        "_unsafe_index",
        "_unsafe_index_put",
        "_unsafe_view",
        "cat",
        "clone",
        "constant_pad_nd",
        "copy",
        "copy_",
        "detach_",
        "embedding",
        "fill_",
        "flip",
        "gather",
        "index",
        "index_copy",
        "index_copy_",
        "index_fill",
        "index_fill_",
        "index_put",
        "index_put_",
        "index_select",
        "lift_fresh",
        "masked_select",
        "repeat",
        "repeat_interleave",
        "resize_",
        "roll",
        "scalar_tensor",
        "scatter",
        "scatter_",
        "select_scatter",
        "set_",
        "slice_scatter",
        "split_with_sizes_copy",
        "stack",
        "tril",
        "triu",
        "unfold_copy",
        "zero_",
    }
)
