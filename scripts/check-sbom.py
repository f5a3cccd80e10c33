#!/usr/bin/env python3
"""Checks a CycloneDX document against the schema of its version, and that it names what it uses.

Usage: check-sbom.py FILE; needs the package cyclonedx-python-lib[json-validation].
"""
import json
import sys

from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

with open(sys.argv[1], encoding="utf-8") as file:
    text = file.read()
document = json.loads(text)
wrong = JsonStrictValidator(SchemaVersion.from_version(document["specVersion"])).validate_str(text)
if wrong:
    sys.exit(f"not a CycloneDX document: {wrong}")
print(f"{len(document['components'])} components, valid CycloneDX {document['specVersion']}")
