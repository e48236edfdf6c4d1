# SPDX-License-Identifier: Apache-2.0
"""horae audit: client addresses without a server (contract section 7, AUD-20 to AUD-28); what comes later says so."""
import json
import os
import random
import unittest

import audit_model
import audit_random
from harness import BINARY, Server, run_cli


def batch(*queries):
    lines = [query if isinstance(query, str) else json.dumps(query) for query in queries]
    done = run_cli("audit", "client-address", "batch", stdin="\n".join(lines) + "\n")
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


class ClientAddress(unittest.TestCase):
    def ask(self, headers, peer="10.0.0.1", trusted=("10.0.0.0/8",), **more):
        return tuple(batch({"peer": peer, "trusted": list(trusted), "headers": headers, **more})[0].values())

    def test_the_rules_one_by_one(self):
        forwarded = [["X-Forwarded-For", "9.9.9.9, 1.2.3.4, 10.0.0.7"]]
        self.assertEqual(self.ask(forwarded), ("1.2.3.4", "x-forwarded-for"))
        self.assertEqual(self.ask(forwarded, trusted=()), ("10.0.0.1", "peer"))
        self.assertEqual(self.ask(forwarded, peer="203.0.113.1"), ("203.0.113.1", "peer"))
        self.assertEqual(self.ask(forwarded, peer="unix", trusted=["unix", "10.0.0.0/8"]), ("1.2.3.4", "x-forwarded-for"))
        self.assertEqual(self.ask(forwarded, ip_headers=[]), ("10.0.0.1", "peer"))
        self.assertEqual(self.ask([["True-Client-IP", "1.2.3.4"]]), ("10.0.0.1", "peer"))
        self.assertEqual(self.ask([["TRUE-CLIENT-IP", "1.2.3.4"]], ip_headers=["True-Client-IP"]), ("1.2.3.4", "true-client-ip"))
        self.assertEqual(self.ask([["Forwarded", 'for="[2001:DB8::1]:80";by=x']], ip_headers=["Forwarded"]), ("2001:db8::1", "forwarded"))
        self.assertEqual(self.ask([["X-Forwarded-For", "1.2.3.4, junk"]]), ("10.0.0.1", "peer"))
        self.assertEqual(self.ask([["X-Real-IP", "9.9.9.9"], ["x-real-ip", "::ffff:1.2.3.4"]]), ("1.2.3.4", "x-real-ip"))

    def test_without_keys_the_defaults_hold(self):
        self.assertEqual(batch({"peer": "1.2.3.4"}), [{"client_ip": "1.2.3.4", "source": "peer"}])

    def test_a_line_that_cannot_be_answered_gets_an_error_and_the_next_one_is_read(self):
        answers = batch("nonsense", {"peer": "host"}, {}, {"peer": "1.2.3.4", "trusted": ["10.0.0.0/40"]}, {"peer": "1.2.3.4", "trusted": "x"}, {"peer": 5},
                        {"peer": "1.2.3.4", "headers": [["a"]]}, {"peer": "1.2.3.4", "headers": [["a", 1]]}, {"peer": "1.2.3.4", "headers": {"a": "b"}},
                        {"peer": "1.2.3.4", "ip_headers": ["a b"]}, {"peer": "1.2.3.4", "nonsense": 1}, "[]", "", "x" * 140000, {"peer": "5.6.7.8"})
        self.assertEqual([list(answer) for answer in answers], [["error"]] * 14 + [["client_ip", "source"]])
        for answer, word in zip(answers, ("JSON", "peer", "peer", "10.0.0.0/40", "trusted", "peer", "headers", "headers", "headers", "a b", "nonsense", "object", "JSON", "131072")):
            self.assertIn(word, answer["error"])

    def test_many_lines_keep_their_order(self):
        queries = [{"peer": f"10.{i // 250}.{i % 250}.1"} for i in range(5000)]
        self.assertEqual([answer["client_ip"] for answer in batch(*queries)], [query["peer"] for query in queries])

    def test_the_choice_is_explained_in_words(self):
        def explain(**query):
            return run_cli("audit", "client-address", "explain", stdin=json.dumps(query))

        done = explain(peer="10.0.0.1", trusted=["10.0.0.0/8"], headers=[["X-Forwarded-For", "1.2.3.4, junk, 5.6.7.8, 10.0.0.2"]])
        self.assertEqual(done.returncode, 0)
        for sentence in ("The peer 10.0.0.1 is trusted", '"junk" is no address', "5.6.7.8 is not trusted", "10.0.0.2 is a trusted proxy", "first address that is not trusted",
                         "The client is 5.6.7.8, from x-forwarded-for."):
            self.assertIn(sentence, done.stdout)
        self.assertIn("every header is ignored", explain(peer="1.1.1.1", headers=[["X-Real-IP", "2.2.2.2"]]).stdout)
        self.assertIn("not exactly one address", explain(peer="10.0.0.1", trusted=["10.0.0.1"], headers=[["X-Real-IP", "a, b"]]).stdout)
        self.assertIn("all are trusted proxies", explain(peer="10.0.0.1", trusted=["10.0.0.0/8"], headers=[["X-Forwarded-For", "10.0.0.3, 10.0.0.2"]]).stdout)
        bad = explain(peer="host")
        self.assertEqual(bad.returncode, 1)
        self.assertIn("host", bad.stderr)


class Truncate(unittest.TestCase):
    """horae audit truncate: contract section 7, AUD-03 to AUD-14."""

    def cut(self, text, limit=65536, redaction=True):
        answer = audit_random.ask(BINARY, text, limit, redaction)
        problem, kind = audit_model.check(text, limit, answer, redaction)
        self.assertEqual(problem, "", text[:2000])
        return answer, kind

    def test_one_line_with_the_stored_text_in_a_string(self):
        done = run_cli("audit", "truncate", stdin='{"a": [1.0, "é\\u00e9"],\n "Token": {}}')
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertEqual(done.stdout, '{"object":"{\\"a\\":[1.0,\\"éé\\"],\\"Token\\":\\"***\\"}","truncated":false,"truncated_fields":[]}\n')
        done = run_cli("audit", "truncate", "--no-redact", stdin='{"Token": 1}')
        self.assertEqual(json.loads(done.stdout)["object"], '{"Token":1}')
        done = run_cli("audit", "truncate", "--limit=50", stdin="no JSON " * 20)
        self.assertEqual((done.returncode, json.loads(done.stdout)), (0, {"object": '"' + ("no JSON " * 20)[:34] + '...[truncated]"', "truncated": True, "truncated_fields": ["$"]}))
        for text in ('"{\\"a\\": 1}"', '{"a":1}'):
            self.assertEqual(json.loads(run_cli("audit", "truncate", stdin=text).stdout)["object"], '{"a":1}')

    def test_the_limit_is_inclusive_and_has_a_range(self):
        for extra, truncated in ((0, False), (1, True)):
            answer, _ = self.cut(json.dumps({"a": "x" * (65536 - 8 + extra)}))
            self.assertEqual((answer["truncated"], len(answer["object"])), (truncated, 65536))
        for limit in ("31", "16777217", "0", "-5", "many", ""):
            done = run_cli("audit", "truncate", "--limit", limit, stdin="{}")
            self.assertEqual((done.returncode, done.stdout), (2, ""), limit)
            self.assertIn("from 32 to 16777216", done.stderr)
        for limit in (32, 64, 16777216):
            self.cut(json.dumps([{"a": list(range(100)), "b": "x" * 100}] * 3), limit)
        self.assertEqual(run_cli("audit", "truncate", "x", stdin="{}").returncode, 2)
        self.assertIn("--limit BYTES", run_cli("audit", "truncate", "--help").stdout)

    def test_large_documents_of_every_shape(self):
        deployment = {"metadata": {"annotations": {f"note-{i}": "größer " * i for i in range(90)}, "name": "billing"}, "items": [{"config": "c" * 4000}] * 50}
        for document, by_strings in ((deployment, True), (list(range(100000)), False), ({f"key-{i}": i for i in range(20000)}, False),
                                     ({"k" * 70000: {"a": 1}}, False), ([{"id": i, "tags": ["a", "b"], "text": "t" * 30} for i in range(5000)], False)):
            answer, kind = self.cut(json.dumps(document))
            self.assertEqual((answer["truncated"], kind), (True, by_strings))

    def test_more_than_can_be_read_is_refused(self):
        done = run_cli("audit", "truncate", stdin="[" + "0" * (16 << 20))
        self.assertEqual((done.returncode, done.stdout), (1, ""))
        self.assertIn("standard input has more than 16777216 bytes", done.stderr)

    def test_random_documents_are_cut_as_the_model_says(self):
        seed = int(os.environ.get("HORAE_AUDIT_SEED") or random.randrange(1 << 31))
        print(f"seed {seed}")
        wrong, kinds = audit_random.run(800, seed, BINARY)
        self.assertEqual(wrong[:5], [], f"HORAE_AUDIT_SEED={seed}: {len(wrong)} differences")
        self.assertGreater(kinds[True], 80)
        self.assertGreater(kinds[False], 10)


class Audit(unittest.TestCase):
    def test_usage(self):
        for arguments in (("audit", "--help"), ("audit", "help"), ("help", "audit")):
            done = run_cli(*arguments)
            self.assertEqual((done.returncode, done.stderr), (0, ""), arguments)
            for name in ("list", "show ID", "export", "tail", "truncate", "client-address"):
                self.assertIn(f"horae audit {name}", done.stdout)
        done = run_cli("audit", "client-address", "--help")
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertIn("client-address batch", done.stdout)
        for arguments, text in ((("audit",), "Usage"), (("audit", "client-adress"), 'did you mean "client-address"'), (("audit", "client-address"), "Usage"),
                                (("audit", "client-address", "batch", "x"), "Usage")):
            done = run_cli(*arguments)
            self.assertEqual((done.returncode, done.stdout), (2, ""), arguments)
            self.assertIn(text, done.stderr)

    def test_the_server_follows_the_same_rules(self):
        """Sign-in is throttled by address: whoever forges a header of a trusted proxy's left end gains nothing, and other clients stay free."""
        server = Server(["--trusted-proxy", "127.0.0.1", "--client-ip-header", "Forwarded"], {"HORAE_ADMIN_PASSWORD": "a password of the test"})
        self.addCleanup(server.remove)

        def sign_in(name, forwarded):
            return server.post("/auth/login", {"username": name, "password": "wrong"}, token=None, headers={"Forwarded": forwarded}).status

        seen = {sign_in(f"somebody-{i}", f"for=10.9.9.{i}, for=203.0.113.7") for i in range(60)}
        self.assertEqual(seen, {401, 429})
        self.assertEqual(sign_in("another", "for=198.51.100.99, for=203.0.113.7"), 429)
        self.assertEqual(sign_in("another", "for=203.0.113.7, for=198.51.100.99"), 401)
