# SPDX-License-Identifier: Apache-2.0
"""The rules of OpenAPI 3.0.3 as far as a document like ours needs them: which members each kind of object has, which are
required, what references and path templates must agree with. `problems(document)` lists what breaks them."""
import re

# Kind of object: member → kind of its value. "[kind]" is a list, "{kind}" a map. Upper case kinds are objects below; a kind
# with "|ref" may be a reference instead. Members that begin with x- are allowed everywhere.
KINDS = {
    "Document": {"openapi!": "text", "info!": "Info", "servers": "[Server]", "paths!": "Paths", "components": "Components",
                 "security": "[SecurityRequirement]", "tags": "[Tag]", "externalDocs": "any"},
    "Info": {"title!": "text", "version!": "text", "description": "text", "termsOfService": "text", "contact": "any", "license": "License"},
    "License": {"name!": "text", "url": "text"},
    "Server": {"url!": "text", "description": "text", "variables": "any"},
    "Tag": {"name!": "text", "description": "text", "externalDocs": "any"},
    "PathItem": {"summary": "text", "description": "text", "parameters": "[Parameter|ref]", "servers": "[Server]", "get": "Operation", "put": "Operation",
                 "post": "Operation", "delete": "Operation", "patch": "Operation", "head": "Operation", "options": "Operation", "trace": "Operation"},
    "Operation": {"operationId": "text", "tags": "[text]", "summary": "text", "description": "text", "parameters": "[Parameter|ref]",
                  "requestBody": "RequestBody|ref", "responses!": "Responses", "security": "[SecurityRequirement]", "deprecated": "truth"},
    "Parameter": {"name!": "text", "in!": "text", "description": "text", "required": "truth", "deprecated": "truth", "allowEmptyValue": "truth",
                  "schema!": "Schema|ref", "example": "any", "style": "text", "explode": "truth"},
    "RequestBody": {"description": "text", "content!": "{MediaType}", "required": "truth"},
    "MediaType": {"schema": "Schema|ref", "example": "any", "examples": "any", "encoding": "any"},
    "Response": {"description!": "text", "headers": "{Header|ref}", "content": "{MediaType}", "links": "any"},
    "Header": {"description": "text", "required": "truth", "schema!": "Schema|ref", "example": "any"},
    "Components": {"schemas": "{Schema|ref}", "responses": "{Response|ref}", "parameters": "{Parameter|ref}", "headers": "{Header|ref}",
                   "requestBodies": "{RequestBody|ref}", "securitySchemes": "{SecurityScheme|ref}", "examples": "any", "links": "any", "callbacks": "any"},
    "SecurityScheme": {"type!": "text", "description": "text", "scheme": "text", "bearerFormat": "text", "name": "text", "in": "text", "flows": "any"},
    "Schema": {"title": "text", "description": "text", "type": "text", "format": "text", "pattern": "pattern", "enum": "list", "default": "any", "example": "any",
               "nullable": "truth", "readOnly": "truth", "writeOnly": "truth", "deprecated": "truth", "minimum": "number", "maximum": "number",
               "minLength": "count", "maxLength": "count", "minItems": "count", "maxItems": "count", "uniqueItems": "truth", "minProperties": "count",
               "maxProperties": "count", "multipleOf": "number", "required": "[text]", "properties": "{Schema|ref}", "items": "Schema|ref",
               "additionalProperties": "closed", "allOf": "[Schema|ref]", "oneOf": "[Schema|ref]", "anyOf": "[Schema|ref]", "not": "Schema|ref"},
}
PLAIN = {
    "text": lambda value: isinstance(value, str) and value != "", "truth": lambda value: isinstance(value, bool), "any": lambda value: True,
    "number": lambda value: isinstance(value, (int, float)) and not isinstance(value, bool), "list": lambda value: isinstance(value, list) and value,
    "count": lambda value: isinstance(value, int) and not isinstance(value, bool) and value >= 0, "pattern": lambda value: isinstance(value, str) and re.compile(value),
}
TYPES = {"object", "array", "string", "integer", "number", "boolean"}


class Walk:
    def __init__(self, document):
        self.document, self.found, self.operation_ids = document, [], set()

    def say(self, where, text):
        self.found.append(f"{where}: {text}")

    def target(self, where, reference, kind):
        node = self.document
        for part in reference.removeprefix("#/").split("/"):
            node = node.get(part) if isinstance(node, dict) else None
        if not reference.startswith("#/") or node is None:
            self.say(where, f"{reference} leads nowhere")
            return {}
        places = {"Schema": "schemas", "Response": "responses", "Parameter": "parameters", "Header": "headers", "RequestBody": "requestBodies"}
        if reference.split("/")[2:3] != [places.get(kind)]:
            self.say(where, f"{reference} is not a {kind}")
        return node

    def value(self, where, kind, value):
        if kind in PLAIN:
            if not PLAIN[kind](value):
                self.say(where, f"is no {kind}")
        elif kind[0] == "[":
            if not isinstance(value, list):
                self.say(where, "is no list")
            for index, item in enumerate(value if isinstance(value, list) else ()):
                self.value(f"{where}[{index}]", kind[1:-1], item)
        elif kind[0] == "{":
            if not isinstance(value, dict):
                self.say(where, "is no map")
            for name, item in (value if isinstance(value, dict) else {}).items():
                self.value(f"{where}/{name}", kind[1:-1], item)
        elif kind == "closed":
            if not isinstance(value, bool):
                self.value(where, "Schema|ref", value)
        elif not isinstance(value, dict):
            self.say(where, f"is no {kind}")
        elif "$ref" in value and kind.endswith("|ref"):
            if set(value) != {"$ref"}:
                self.say(where, "has members beside $ref, which are ignored")
            self.target(where, value["$ref"], kind.removesuffix("|ref"))
        else:
            self.object(where, kind.removesuffix("|ref"), value)

    def object(self, where, kind, value):
        special = getattr(self, f"check_{kind.lower()}", None)
        if kind in KINDS:
            members = {name.removesuffix("!"): name for name in KINDS[kind]}
            for name, member in value.items():
                if name in members:
                    self.value(f"{where}/{name}", KINDS[kind][members[name]], member)
                elif not name.startswith("x-"):
                    self.say(where, f"a {kind} has no member {name}")
            for name, full in members.items():
                if full.endswith("!") and name not in value:
                    self.say(where, f"a {kind} needs {name}")
        if special:
            special(where, value)

    def check_document(self, where, value):
        if not re.fullmatch(r"3\.0\.\d+", value.get("openapi", "")):
            self.say(where, "openapi must be 3.0.x")
        names = [tag.get("name") for tag in value.get("tags", [])]
        if len(set(names)) != len(names):
            self.say(where, "a tag is given twice")

    def check_paths(self, where, value):
        shapes = set()
        for path, item in value.items():
            at = f"{where}{path}"
            shape = re.sub(r"\{[^}]*\}", "{}", path)
            if not path.startswith("/") or shape in shapes:
                self.say(at, "does not begin with / or is there already")
            shapes.add(shape)
            self.object(at, "PathItem", item)
            for method, operation in item.items():
                if isinstance(operation, dict) and "responses" in operation:
                    self.check_parameters(f"{at}/{method}", path, item, operation)

    def check_parameters(self, where, path, item, operation):
        lists = [item.get("parameters", []), operation.get("parameters", [])]
        seen = set()
        for parameter in (one for some in lists for one in some):
            if "$ref" in parameter:
                parameter = self.target(where, parameter["$ref"], "Parameter")
            key = (parameter.get("in"), parameter.get("name"))
            if key in seen:
                self.say(where, f"the parameter {key} is given twice")
            seen.add(key)
        named, templated = {name for place, name in seen if place == "path"}, set(re.findall(r"\{([^}]*)\}", path))
        if named != templated:
            self.say(where, f"path parameters are {sorted(named)}, the template has {sorted(templated)}")

    def check_operation(self, where, value):
        name = value.get("operationId")
        if name in self.operation_ids:
            self.say(where, f"the operationId {name} is given twice")
        self.operation_ids.add(name)
        known = {tag["name"] for tag in self.document.get("tags", [])}
        for tag in value.get("tags", []):
            if tag not in known:
                self.say(where, f"the tag {tag} is not described")

    def check_responses(self, where, value):
        if not value:
            self.say(where, "is empty")
        for status, response in value.items():
            if not re.fullmatch(r"[1-5]\d\d|[1-5]XX|default", str(status)) or not isinstance(status, str):
                self.say(where, f"{status!r} is no status")
            self.value(f"{where}/{status}", "Response|ref", response)

    def check_parameter(self, where, value):
        if value.get("in") not in ("query", "header", "path", "cookie"):
            self.say(where, "in is not query, header, path or cookie")
        if value.get("in") == "path" and value.get("required") is not True:
            self.say(where, "a path parameter is required")

    def check_schema(self, where, value):
        kind = value.get("type")
        if kind is not None and kind not in TYPES:
            self.say(where, f"{kind} is no type")
        if kind == "array" and "items" not in value:
            self.say(where, "an array needs items")
        if value.get("nullable") and "enum" in value and None not in value["enum"]:
            self.say(where, "null is not in the enum of a nullable value")
        if value.get("nullable") and kind is None:
            self.say(where, "nullable needs a type beside it")
        for name in value.get("required", []):
            if "properties" in value and name not in value["properties"]:
                self.say(where, f"{name} is required and not described")

    def check_securityrequirement(self, where, value):
        for name in value:
            if name not in self.document.get("components", {}).get("securitySchemes", {}):
                self.say(where, f"the security scheme {name} is not described")

    def check_securityscheme(self, where, value):
        needs = {"http": ["scheme"], "apiKey": ["name", "in"], "oauth2": ["flows"], "openIdConnect": ["openIdConnectUrl"]}
        if value.get("type") not in needs:
            self.say(where, "type is not http, apiKey, oauth2 or openIdConnect")
        for name in needs.get(value.get("type"), []):
            if name not in value:
                self.say(where, f"needs {name}")


def problems(document):
    walk = Walk(document)
    walk.value("", "Document", document)
    return walk.found


def open_objects(document):
    """Objects of answers and bodies that neither name all their members nor say that any may come: there an undescribed
    member would pass. Also named schemas that nothing refers to."""
    found, used = [], set()

    def visit(where, node):
        if isinstance(node, list):
            for index, item in enumerate(node):
                visit(f"{where}[{index}]", item)
        if not isinstance(node, dict):
            return
        if isinstance(node.get("$ref"), str):
            used.add(node["$ref"])
        if node.get("type") == "object" and "additionalProperties" not in node and not isinstance(node.get("properties", {}).get("type"), str):
            found.append(where)
        for name, item in node.items():
            visit(f"{where}/{name}", item)

    visit("", document)
    for part, items in document["components"].items():
        found += [f"{part}/{name} is not used" for name in items if part != "securitySchemes" and f"#/components/{part}/{name}" not in used]
    return found
