# SPDX-License-Identifier: Apache-2.0
"""What a question to the audit log must answer, by looking at every event: the other half of the tests that ask a server."""
import random
import uuid

ACTIONS = ("created", "updated", "deleted", "read", "login", "denied")
TYPES = ("user", "pod", "secret", "scheduledTask", "vault")  # the last one is configured
USERS = ("ann", "ben", "system")
ADDRESSES = ("10.0.0.1", "10.0.0.2", "2001:db8::1")
PLACES = ("/a", "/a/b", None)
SUBSYSTEMS = ("http", "auth", None)
WORDS = ("alpha", "Beta", 'say "hi"', "größe", "back\\slash", "=cmd()", "two\nlines", "plain")
OBJECT_ACTIONS = {"created": ("new",), "deleted": ("old",), "read": ()}


def random_events(rng, count, now_ms, span_ms):
    """Bodies for POST /audit/events; times are close together, so that many are the same."""
    for number in range(count):
        kind, action = rng.choice(TYPES), rng.choice(ACTIONS)
        event = {"id": str(uuid.UUID(int=rng.getrandbits(128))), "timestamp": now_ms - rng.randrange(span_ms), "action": action,
                 "resource": {"type": kind, "identifier": f"thing-{rng.randrange(12)}", "data": {"note": rng.choice(WORDS)}},
                 "user": {"uid": (user := rng.choice(USERS)), "username": user.title(), "type": "user"},
                 "client_ip": rng.choice(ADDRESSES), "request_id": f"r-{number // 3}", "data": {"word": rng.choice(WORDS)},
                 "new_object": {"name": rng.choice(WORDS), "size": rng.randrange(100)}}
        if rng.random() < 0.5:
            event["old_object"] = {"name": rng.choice(WORDS)}
        for member, values in (("space_path", PLACES), ("subsystem", SUBSYSTEMS)):
            value = rng.choice(values)
            if value:
                event[member] = value
        if rng.random() < 0.2:
            event["error_message"] = "it failed: " + rng.choice(WORDS)
        yield event


def value_of(event, name):
    if name == "user_uid":
        return event["user"]["uid"]
    if name == "resource_id":
        return event["resource"]["identifier"]
    return event.get(name)


def holds(event, text, raw):
    """`raw`: the event as it is stored. The text as it is, or as it stands inside a JSON string."""
    import json

    lower = raw.translate(LOWER)
    return any(part.translate(LOWER) in lower for part in (text, json.dumps(text, ensure_ascii=False)[1:-1]))


LOWER = {upper: upper + 32 for upper in range(ord("A"), ord("Z") + 1)}  # ASCII letters only


def matches(event, question, raw=""):
    for name, wanted in question.items():
        if name == "start_time":
            if event["timestamp"] < wanted:
                return False
        elif name == "end_time":
            if event["timestamp"] > wanted:
                return False
        elif name == "q":
            if not holds(event, wanted, raw):
                return False
        elif value_of(event, name) != wanted:
            return False
    return True


def random_question(rng, events):
    """Some members of an event that is there, perhaps one of another: so most questions have answers, and not all."""
    model, other = rng.choice(events), rng.choice(events)
    names = ("user_uid", "resource_type", "action", "resource_id", "client_ip", "request_id", "status", "subsystem", "space_path")
    question = {}
    for name in rng.sample(names, rng.choice((0, 1, 1, 2, 2, 3))):
        value = value_of(model if rng.random() < 0.9 else other, name)
        if value:
            question[name] = value
    if rng.random() < 0.5:
        question["start_time"] = min(model["timestamp"], other["timestamp"])
    if rng.random() < 0.5:
        question["end_time"] = max(model["timestamp"], other["timestamp"])
    if rng.random() < 0.25:
        question.setdefault("start_time", min(event["timestamp"] for event in events))
        question["q"] = rng.choice(("ALPHA", "beta", 'say "HI"', "größe", "back\\slash", "failed", model["id"][:8], "nothing of this", '"size":'))
    return question


def random_seed():
    return random.randrange(1 << 31)
