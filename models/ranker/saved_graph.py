"""The operations of a SavedModel, read without TensorFlow: a graph that only computes may be loaded, others may not.

A SavedModel is a program. Only what its functions may call is looked at: its own functions that save and restore
variables write files, and loading does not call them.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path

_FILE = "saved_model.pb"
# Operations that compute, read variables, or call other functions of the graph.
_COMPUTING = frozenset(
    """
    Abs Add AddN AddV2 All Any ArgMax ArgMin Assert AssignVariableOp AssignAddVariableOp AssignSubVariableOp
    BatchMatMul BatchMatMulV2 BatchMatMulV3 BiasAdd BroadcastArgs BroadcastTo Bucketize Cast Ceil CheckNumerics
    ClipByValue Concat ConcatV2 Const Cos Cumprod Cumsum DisableCopyOnRead Div DivNoNan DynamicPartition DynamicStitch
    Einsum Elu EnsureShape Equal Erf Erfc Exp ExpandDims Expm1 Fill Floor FloorDiv FloorMod FusedBatchNormV3 Gather
    GatherNd GatherV2 Greater GreaterEqual Identity IdentityN If Inv InvertPermutation IsFinite IsInf IsNan L2Loss
    LeakyRelu Less LessEqual LinSpace Log Log1p LogSoftmax LogicalAnd LogicalNot LogicalOr MatMul Max Maximum Mean Min
    Minimum Mod Mul MulNoNan Neg NoOp NotEqual OneHot OnesLike Pack Pad PadV2 PartitionedCall Placeholder
    PlaceholderWithDefault Pow PreventGradient Prod Range Rank ReadVariableOp RealDiv Reciprocal Relu Relu6 Reshape
    ResourceGather ResourceGatherNd Reverse ReverseV2 Round Rsqrt ScatterNd Select SelectV2 Selu Shape ShapeN Sigmoid
    Sign Sin Size Slice Softmax Softplus Softsign SparseToDense Split SplitV Sqrt Square SquaredDifference Squeeze
    StatefulPartitionedCall StatelessIf StatelessWhile StopGradient StridedSlice Sub Sum Tan Tanh TensorScatterAdd
    TensorScatterUpdate Tile TopK TopKV2 Transpose Unique Unpack UnsortedSegmentMax UnsortedSegmentSum VarHandleOp
    VarIsInitializedOp VariableV2 Where While Xdivy Xlogy ZerosLike
    """.split()
)
# Bytes of the fields of fixed length, by wire type.
_FIXED: Mapping[int, int] = {1: 8, 5: 4}
_Fields = Iterator[tuple[int, bytes]]


def check_saved_graph(folder: Path) -> None:
    """Check that the SavedModel of a folder only computes (ValueError: it may do more; the message names how)."""
    path = folder / _FILE
    if not path.is_file():
        return
    try:
        found = sorted(_operations(path.read_bytes()) - _COMPUTING)
    except (IndexError, UnicodeDecodeError) as error:
        raise ValueError(f"{path} is no SavedModel") from error
    if found:
        raise ValueError(
            f"the graph in {path} may do more than compute: {', '.join(found[:5])}; --trust=yes loads it all the same"
        )


def _operations(content: bytes) -> set[str]:
    """Return the operations of all functions that loading or scoring can call."""
    found: set[str] = set()
    meta_graphs = list(_all(content, 2))
    if not meta_graphs:
        raise IndexError("no graph")
    for meta_graph in meta_graphs:
        functions = dict(_functions(meta_graph))
        objects = list(_all(meta_graph, 7))
        if not objects:
            # without it, the graph is loaded as one of version 1, and run
            found.add("a graph of TensorFlow 1")
        called = [_text(entry, 1) for graph in objects for entry in _all(graph, 2)]
        seen: set[str] = set()
        while called:
            name = called.pop()
            if name not in seen:
                seen.add(name)
                operations, further = functions.get(name, (set(), []))
                found |= {one for one in operations if one not in functions}
                called += [*further, *(one for one in operations if one in functions)]
    return found


def _functions(meta_graph: bytes) -> Iterator[tuple[str, tuple[set[str], list[str]]]]:
    """Yield the name of each function, its operations, and the functions that these are given."""
    for graph in _all(meta_graph, 2):
        for library in _all(graph, 2):
            for function in _all(library, 1):
                signature = next(_all(function, 1), b"")
                nodes = list(_all(function, 3))
                attributes = [value for node in nodes for entry in _all(node, 5) for value in _all(entry, 2)]
                given = [one for value in attributes for one in _all(value, 10)]
                given += [one for value in attributes for listed in _all(value, 1) for one in _all(listed, 9)]
                yield _text(signature, 1), ({_text(node, 2) for node in nodes}, [_text(one, 1) for one in given])


def _text(message: bytes, number: int) -> str:
    return next(_all(message, number), b"").decode()


def _all(message: bytes, number: int) -> Iterator[bytes]:
    return (value for found, value in _fields(message) if found == number)


def _fields(message: bytes) -> _Fields:
    """Yield number and bytes of each field of a protobuf message that has a length; IndexError: it is cut off."""
    at = 0
    while at < len(message):
        key, at = _varint(message, at)
        kind = key & 7
        if kind == 0:
            _, at = _varint(message, at)
        elif kind == 2:
            size, at = _varint(message, at)
            if at + size > len(message):
                raise IndexError(at)
            yield key >> 3, message[at : at + size]
            at += size
        elif kind in _FIXED:
            at += _FIXED[kind]
        else:
            raise IndexError(at)


def _varint(message: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = message[at]
        value, at, shift = value | (byte & 127) << shift, at + 1, shift + 7
        if byte < 128:
            return value, at
