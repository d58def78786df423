"""Holds JSON against the shapes of botocore's own service models."""

import re
from datetime import datetime
from typing import Any

import botocore.session
from botocore.model import ListShape, OperationModel, Shape, StructureShape

_SESSION = botocore.session.get_session()
_SCALARS: dict[str, Any] = {"string": str, "integer": int, "timestamp": str}


def operation(name: str, service: str = "bedrock-runtime") -> OperationModel:
    """An operation of a service model."""
    return _SESSION.get_service_model(service).operation_model(name)


def violations(value: Any, shape: Shape, where: str = "answer") -> list[str]:
    """What a value breaks of a shape: members, types, required ones, limits, patterns."""
    if isinstance(shape, StructureShape):
        return _structure_violations(value, shape, where)
    if isinstance(shape, ListShape):
        return [
            problem
            for number, member in enumerate(value)
            for problem in violations(member, shape.member, f"{where}[{number}]")
        ]
    return _scalar_violations(value, shape, where)


def _structure_violations(value: dict[str, Any], shape: StructureShape, where: str) -> list[str]:
    missing = [f"{where}.{name} is missing" for name in shape.required_members if name not in value]
    unknown = [f"{where}.{name} is unknown" for name in value if name not in shape.members]
    deeper = [
        problem
        for name, member in shape.members.items()
        if name in value
        for problem in violations(value[name], member, f"{where}.{name}")
    ]
    return missing + unknown + deeper


def _scalar_violations(value: Any, shape: Shape, where: str) -> list[str]:
    if not isinstance(value, _SCALARS[shape.type_name]):
        return [f"{where} is a {type(value).__name__}"]
    if shape.type_name == "timestamp":
        datetime.fromisoformat(value)
        return [] if value.endswith("Z") else [f"{where} is not in UTC"]
    limits, problems = shape.metadata, []
    size = len(value) if isinstance(value, str) else value
    if not limits.get("min", size) <= size <= limits.get("max", size):
        problems.append(f"{where} is of size {size}")
    if "pattern" in limits and not re.fullmatch(limits["pattern"], value):
        problems.append(f"{where} {value!r} is not {limits['pattern']}")
    if "enum" in limits and value not in limits["enum"]:
        problems.append(f"{where} {value!r} is none of {limits['enum']}")
    return problems
