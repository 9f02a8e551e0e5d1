"""A stand-in accelerator for machines without one: tensors of the CPU that say they are on `cuda:0`, and are counted.

How it works. Inside `StandIn()` every operation of torch passes by, below autograd, in the place where torch keeps its own
fake tensors, so that no CUDA is looked for. What is made on or sent to `cuda:0` becomes a `Far`: to C++ and to Python it is on
`cuda:0`, and it holds an ordinary tensor that computes. So numbers are those of the CPU, bit for bit.

- `copies_in`: tensors that go from host to device, also an index on the CPU that a tensor on the device is indexed with, and
  numbers from Python that `torch.tensor` and `as_tensor` send.
- `copies_out`: tensors and numbers that come back.
- `waits`: moments where the host waits for the device: a copy back that is not `non_blocking`, `item`, `bool`, `tolist`,
  `equal`, and whatever has a size that only the device knows (`nonzero`, `unique`, a mask as an index). To wait for an event
  counts too, unless the host has waited since for something that the device did later.
- Tensors of both places in one operation are refused, but for a single number on the CPU, which torch passes on with the
  call. `numpy()` is refused as torch does.

It cannot see streams, the speed of anything, numbers that another device's kernels round otherwise or lack, a value read
before its event, memory that is not pinned, nor what a single number on the CPU may not do (`cat`). It is no use where a real
CUDA is in use in the same process.
"""

from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map

HERE, THERE = torch.device("cpu"), torch.device("cuda", 0)
_aten = torch.ops.aten
_NEED_AN_ANSWER = {
    _aten._local_scalar_dense, _aten.equal, _aten.nonzero, _aten._unique2, _aten.unique_dim, _aten.unique_consecutive,
    _aten.masked_select, _aten.bincount,
}  # fmt: skip
# Their Python bindings look for the device's own library first.
_WITHOUT_GUARD = {
    torch.Tensor.contiguous: _aten.contiguous.default,
    torch.Tensor.__invert__: _aten.bitwise_not.default,
    torch.Tensor.nonzero: _aten.nonzero.default,
    torch.Tensor.__float__: lambda far: float(far.item()),
    torch.Tensor.__int__: lambda far: int(far.item()),
    torch.Tensor.__index__: lambda far: int(far.item()),
    torch.Tensor.new_tensor: lambda far, data: torch.tensor(data, dtype=far.dtype, device=far.device),
}
_INDEXED = {_aten.index, _aten.index_put, _aten.index_put_, _aten._index_put_impl_, _aten._unsafe_index}


class Far(torch.Tensor):
    """A tensor on the stand-in."""

    held: torch.Tensor

    @staticmethod
    def __new__(cls, held):
        far = torch.Tensor._make_wrapper_subclass(
            cls, held.shape, strides=held.stride(), storage_offset=held.storage_offset(), dtype=held.dtype, device=THERE
        )
        far.held = held
        return far

    def __repr__(self):
        return f"Far({self.held})"

    @classmethod
    def __torch_function__(cls, func, types, args=(), kwargs=None):
        """What would reach for a real device in C++ on its way is done here."""
        now = StandIn.now
        if func is torch.Tensor.tolist:
            now.answered()
            return args[0].held.tolist()
        if func is torch.Tensor.numpy:
            raise TypeError(f"can't convert {THERE} device type tensor to numpy. Use Tensor.cpu() first")
        if func is torch.Tensor.__getitem__:
            return now.taken(*args)
        if func is torch.Tensor.__setitem__:
            return now.put(*args)
        func = _WITHOUT_GUARD.get(func, func)
        with torch._C.DisableTorchFunctionSubclass():
            return func(*args, **(kwargs or {}))

    @classmethod
    def __torch_dispatch__(cls, func, types, args=(), kwargs=None):
        raise RuntimeError(f"{func} on a tensor of the stand-in, outside of it")


class Event:
    """In the place of `torch.cuda.Event`."""

    def record(self):
        self.at = StandIn.now.issued

    def synchronize(self):
        StandIn.now.waited_for(self.at)


class StandIn(TorchDispatchMode):
    """The stand-in, while a `with` block lasts; one at a time."""

    _mode_key = torch._C._TorchDispatchModeKey.FAKE
    now: Any = None

    def __init__(self):
        super().__init__()
        self.copies_in = self.copies_out = self.waits = 0
        self.issued = self._known = 0

    @property
    def counts(self):
        return {"in": self.copies_in, "out": self.copies_out, "waits": self.waits}

    def __enter__(self):
        self._before = torch.cuda.Event, torch.__future__.get_overwrite_module_params_on_conversion()
        StandIn.now, torch.cuda.Event = self, Event
        torch.__future__.set_overwrite_module_params_on_conversion(True)
        torch._C._set_only_lift_cpu_tensors(True)
        return super().__enter__()

    def __exit__(self, *error):
        torch.cuda.Event = self._before[0]
        torch.__future__.set_overwrite_module_params_on_conversion(self._before[1])
        torch._C._set_only_lift_cpu_tensors(False)
        StandIn.now = None
        return super().__exit__(*error)

    def waited_for(self, issued):
        if issued > self._known:
            self.waits, self._known = self.waits + 1, issued

    def answered(self):
        """One number or tensor comes back, and the host waits for it."""
        self.copies_out += 1
        self.waits, self._known = self.waits + 1, self.issued

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        packet, tensors = (
            func.overloadpacket,
            [one for one in tree_leaves((args, kwargs)) if isinstance(one, torch.Tensor)],
        )
        far = any(isinstance(one, Far) for one in tensors)
        to = kwargs.get("device")
        there = far if to is None else torch.device(to).type == THERE.type
        if not far and not there:
            return func(*args, **kwargs)
        if torch._C._dispatch_has_kernel_for_dispatch_key(func.name(), "CompositeImplicitAutograd"):
            return self._in_parts(func, args, kwargs)
        self.issued += 1
        if packet in (_aten._to_copy, _aten.copy_):
            self._copied(packet, args, kwargs, there)
        elif packet in _INDEXED:
            self._indexed(args[0], args[1])
            self._refused(func, [args[0], *args[2:3]])
        else:
            self._refused(func, tensors)
        sized_there = packet is _aten.repeat_interleave and kwargs.get("output_size") is None
        if far and (packet in _NEED_AN_ANSWER or sized_there):
            self.answered()
        held = {"device": HERE} if to is not None else {}
        out = func(*tree_map(_held, args), **{**tree_map(_held, kwargs), **held})
        known = {id(one.held): one for one in tensors if isinstance(one, Far)}
        return tree_map(lambda one: self._made(one, args, known, there), out)

    def _in_parts(self, func, args, kwargs):
        """An operation that is made of others, of which each passes by; in inference mode torch does not take it apart."""
        super().__enter__()
        try:
            return func.decompose(*args, **kwargs)
        finally:
            super().__exit__(None, None, None)

    def _made(self, out, args, known, there):
        if not isinstance(out, torch.Tensor):
            return out
        if args and out is args[0]:  # a tensor here that was written into
            return out
        return known.get(id(out), Far(out)) if there else out

    def _copied(self, packet, args, kwargs, there):
        source = args[1] if packet is _aten.copy_ else args[0]
        there = isinstance(args[0], Far) if packet is _aten.copy_ else there
        if there and not isinstance(source, Far):
            self.copies_in += bool(source.ndim) or packet is not _aten.copy_
        elif not there and kwargs.get("non_blocking"):
            self.copies_out += 1
        elif not there:
            self.answered()

    def _refused(self, func, tensors):
        if any(not isinstance(one, Far) and one.ndim for one in tensors) and any(
            isinstance(one, Far) for one in tensors
        ):
            raise RuntimeError(
                f"Expected all tensors to be on the same device, but found at least two devices, {THERE} and {HERE}! ({func})"
            )

    def _indexed(self, tensor, index):
        for one in index if isinstance(index, list | tuple) else [index]:
            if not isinstance(one, torch.Tensor):
                continue
            if isinstance(one, Far) and not isinstance(tensor, Far):
                raise RuntimeError(
                    f"indices should be either on {HERE} or on the same device as the indexed tensor ({HERE})"
                )
            self.copies_in += isinstance(tensor, Far) and not isinstance(one, Far)
            if isinstance(one, Far) and (one.dtype == torch.bool or not one.ndim):
                self.answered()

    def taken(self, tensor, index):
        """`tensor[index]`."""
        self.issued += 1
        self._indexed(tensor, index)
        return self._of(tensor, _held(tensor)[tree_map(_held, index)])

    def put(self, tensor, index, value):
        """`tensor[index] = value`."""
        self.issued += 1
        self._indexed(tensor, index)
        if isinstance(value, torch.Tensor) and value.ndim and isinstance(value, Far) != isinstance(tensor, Far):
            if any(isinstance(one, torch.Tensor | list) for one in (index if isinstance(index, tuple) else (index,))):
                self._refused("index_put", [tensor, value])
            self._copied(_aten.copy_, (tensor, value), {}, isinstance(tensor, Far))
        _held(tensor)[tree_map(_held, index)] = _held(value)

    def _of(self, tensor, out):
        return Far(out) if isinstance(tensor, Far) else out


def _held(one):
    return one.held if isinstance(one, Far) else one
