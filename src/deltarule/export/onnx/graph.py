"""A graph of ONNX operators under construction, with Python's own operators on its tensors.

Numbers, conditions and dates are float64 with NaN for missing; text is strings with "" for missing.
Only operators that runtimes have for float64 are used.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

OPSET, ML_OPSET, IR_VERSION = 20, 3, 9
Constant = float | int | bool | str


@dataclass(frozen=True)
class Tensor:
    """A named tensor of a graph; conditions that are no values are of kind "mask"."""

    graph: "Graph" = field(repr=False)
    name: str
    kind: str

    def __add__(self, other: "Tensor | float") -> "Tensor":
        return self._with("Add", other)

    def __radd__(self, other: float) -> "Tensor":
        return self.graph.constant(other)._with("Add", self)

    def __sub__(self, other: "Tensor | float") -> "Tensor":
        return self._with("Sub", other)

    def __rsub__(self, other: float) -> "Tensor":
        return self.graph.constant(other)._with("Sub", self)

    def __mul__(self, other: "Tensor | float") -> "Tensor":
        return self._with("Mul", other)

    def __rmul__(self, other: float) -> "Tensor":
        return self.graph.constant(other)._with("Mul", self)

    def __truediv__(self, other: "Tensor | float") -> "Tensor":
        return self._with("Div", other)

    def __rtruediv__(self, other: float) -> "Tensor":
        return self.graph.constant(other)._with("Div", self)

    def __neg__(self) -> "Tensor":
        return self.graph.node("Neg", self)

    def __lt__(self, other: "Tensor | float") -> "Tensor":
        return self._with("Less", other, "mask")

    def __le__(self, other: "Tensor | float") -> "Tensor":
        return self._with("LessOrEqual", other, "mask")

    def __gt__(self, other: "Tensor | float") -> "Tensor":
        return self._with("Greater", other, "mask")

    def __ge__(self, other: "Tensor | float") -> "Tensor":
        return self._with("GreaterOrEqual", other, "mask")

    def __and__(self, other: "Tensor") -> "Tensor":
        return self._with("And", other, "mask")

    def __or__(self, other: "Tensor") -> "Tensor":
        return self._with("Or", other, "mask")

    def __invert__(self) -> "Tensor":
        return self.graph.node("Not", self, kind="mask")

    def equals(self, other: "Tensor | Constant") -> "Tensor":
        """Where two numbers or texts are the same."""
        return self._with("Equal", other, "mask")

    @property
    def floor(self) -> "Tensor":
        """Rounded down."""
        return self.graph.node("Floor", self)

    @property
    def missing(self) -> "Tensor":
        """Where there is no value."""
        if self.kind == "text":
            return self.equals("")
        return self.graph.node("IsNaN", self, kind="mask")

    @property
    def column(self) -> "Tensor":
        """A vector (n,) as a matrix (n, 1)."""
        return self.graph.node("Unsqueeze", self, self.graph.constant(1), kind=self.kind)

    def at(self, place: int) -> "Tensor":
        """A column of a matrix (n, k) as a vector (n,)."""
        return self.graph.node("Gather", self, self.graph.constant(place), kind=self.kind, axis=1)

    def _with(self, operator: str, other: "Tensor | Constant", kind: str = "number") -> "Tensor":
        if not isinstance(other, Tensor):
            plain = isinstance(other, str) or self.kind == "index"
            other = self.graph.constant(other if plain else float(other))
        return self.graph.node(operator, self, other, kind=kind)


@dataclass
class Graph:
    """Nodes, constants, inputs and outputs."""

    inputs: dict[str, Any] = field(default_factory=dict)
    outputs: dict[str, Any] = field(default_factory=dict)
    nodes: list[Any] = field(default_factory=list)
    constants: dict[str, Any] = field(default_factory=dict)
    reserved: set[str] = field(default_factory=set)
    """Names that nothing inside may have."""
    _made: int = 0
    _known: dict[Any, Tensor] = field(default_factory=dict)

    def _name(self) -> str:
        while True:
            self._made += 1
            if (name := f"t{self._made}") not in self.reserved:
                return name

    def input(self, name: str, kind: str, says: str) -> Tensor:
        """An input (n,): strings for text, float64 for all else."""
        from onnx import TensorProto, helper

        own = TensorProto.STRING if kind == "text" else TensorProto.DOUBLE
        self.inputs[name] = helper.make_tensor_value_info(name, own, ["rows"], says)
        return Tensor(self, name, kind)

    def output(self, name: str, value: Tensor) -> None:
        """A result (n,) of this name."""
        from onnx import TensorProto, helper

        own = TensorProto.STRING if value.kind == "text" else TensorProto.DOUBLE
        self.nodes.append(helper.make_node("Identity", [value.name], [name]))
        self.outputs[name] = helper.make_tensor_value_info(name, own, ["rows"])

    def constant(self, value: Constant | np.ndarray[Any, Any]) -> Tensor:
        """A constant: an int counts axes and places, a float is a number, and so are arrays."""
        from onnx import numpy_helper

        array = np.asarray(value, dtype=object if isinstance(value, str) else None)
        key = (str(array.dtype), array.shape, repr(array.tolist()))
        if key not in self._known:
            name = self._name()
            self.constants[name] = numpy_helper.from_array(array, name)
            kinds = {"O": "text", "b": "mask", "i": "index"}
            self._known[key] = Tensor(self, name, kinds.get(array.dtype.kind, "number"))
        return self._known[key]

    def node(
        self,
        operator: str,
        *tensors: Tensor,
        kind: str = "number",
        domain: str = "",
        **settings: Any,
    ) -> Tensor:
        """The result of an operator; the same one of the same tensors is computed once."""
        from onnx import helper

        key = (operator, tuple(one.name for one in tensors), repr(settings))
        if key not in self._known:
            name = self._name()
            self.nodes.append(
                helper.make_node(
                    operator, [one.name for one in tensors], [name], domain=domain, **settings
                )
            )
            self._known[key] = Tensor(self, name, kind)
        return self._known[key]

    def where(
        self, condition: Tensor, then: Tensor | Constant, otherwise: Tensor | Constant
    ) -> Tensor:
        """One of two values."""
        both = [
            one
            if isinstance(one, Tensor)
            else self.constant(one if isinstance(one, str) else float(one))
            for one in (then, otherwise)
        ]
        return self.node("Where", condition, *both, kind=both[0].kind)

    def value_of(self, condition: Tensor, missing: Tensor | None = None) -> Tensor:
        """A condition as 1 or 0, NaN where it is missing."""
        made = self.node("Cast", condition, to=11)
        return made if missing is None else self.where(missing, float("nan"), made)

    def lookup(self, text: Tensor, places: Mapping[str, int], other: int) -> Tensor:
        """The place of each text among some; `other` for all else."""
        return self.node(
            "LabelEncoder",
            text,
            kind="index",
            domain="ai.onnx.ml",
            keys_strings=list(places),
            values_int64s=list(places.values()),
            default_int64=other,
        )

    def model(self, *, name: str, says: str, properties: Mapping[str, str]) -> bytes:
        """The file.

        Errors:  ValueError where it is no valid model
        """
        import onnx
        from onnx import helper

        graph = helper.make_graph(
            self.nodes,
            name,
            list(self.inputs.values()),
            list(self.outputs.values()),
            list(self.constants.values()),
            doc_string=says,
        )
        opsets = [helper.make_opsetid("", OPSET), helper.make_opsetid("ai.onnx.ml", ML_OPSET)]
        made = helper.make_model(
            graph, opset_imports=opsets, ir_version=IR_VERSION, producer_name="deltarule"
        )
        helper.set_model_props(made, dict(properties))
        onnx.checker.check_model(made)
        content: bytes = made.SerializeToString()
        return content


def stacked(tensors: Sequence[Tensor]) -> Tensor:
    """Vectors (n,) as the columns of a matrix (n, k)."""
    graph = tensors[0].graph
    return graph.node("Concat", *(one.column for one in tensors), kind=tensors[0].kind, axis=1)
