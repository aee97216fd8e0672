#!/usr/bin/python3
"""A program between the agent and its runtime that passes every gRPC call on as bytes, and breaks those it is told to.

    cri_proxy.py LISTEN BACKEND CONTROL      three unix sockets: the agent's, the runtime's, and the one of the orders

Orders and answers are lines of JSON (harness/faults.py is their client). A rule names an RPC and, if it is to hit one pod
only, words: all of them must stand in the request, or in the request that made what this one names (a container's id, a
sandbox's id, a pod's UID). What a rule does to a call that it hits:

    fail    answers with a code and a text; the runtime hears nothing of it
    lose    lets the runtime do it, then answers with a code and a text all the same
    delay   waits some seconds, then passes it on
    hang    keeps the call until the caller gives it up, or until the rule is taken away: then it is passed on
    cut     lets the runtime do it, then closes the agent's connection under it, and with it under all other calls
"""

import concurrent.futures
import ctypes
import json
import os
import re
import signal
import socket
import sys
import threading
import time

import grpc

STREAMS = ("GetContainerEvents", "Subscribe")
IDS = re.compile(rb"[0-9a-f]{64}|[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
CREATORS = ("RunPodSandbox", "CreateContainer")
OPTIONS = [
    ("grpc.max_receive_message_length", -1),
    ("grpc.max_send_message_length", -1),
    ("grpc.max_reconnect_backoff_ms", 300),
    ("grpc.initial_reconnect_backoff_ms", 100),
]


class Rule:
    def __init__(self, number: int, fields: dict):
        self.number, self.method, self.kind = number, fields["method"], fields["kind"]
        self.words = [word.encode() for word in fields.get("words", [])]
        self.times = fields.get("times")  # None: every call
        self.seconds = fields.get("seconds", 0)
        self.code = getattr(grpc.StatusCode, fields.get("code", "INTERNAL"))
        self.text = fields.get("text", f"injected fault of {self.method}")
        self.hits = 0
        self.gone = threading.Event()

    def hits_call(self, method: str, known: bytes) -> bool:
        exhausted = self.times is not None and self.hits >= self.times
        return not exhausted and method == self.method and all(word in known for word in self.words)


class Rules:
    def __init__(self):
        self.lock = threading.Lock()
        self.rules: dict[int, Rule] = {}
        self.next = 1
        self.calls: dict[str, int] = {}
        self.made_by: dict[bytes, bytes] = {}  # id -> the request that made it

    def add(self, fields: dict) -> int:
        with self.lock:
            number, self.next = self.next, self.next + 1
            self.rules[number] = Rule(number, fields)
            return number

    def remove(self, number: int) -> int:
        with self.lock:
            rule = self.rules.pop(number)
        rule.gone.set()
        return rule.hits

    def hits(self) -> dict[int, int]:
        with self.lock:
            return {number: rule.hits for number, rule in self.rules.items()}

    def of_call(self, method: str, request: bytes) -> Rule | None:
        with self.lock:
            self.calls[method] = self.calls.get(method, 0) + 1
            known = request + b"".join(self.made_by.get(name, b"") for name in set(IDS.findall(request)))
            for rule in self.rules.values():
                if rule.hits_call(method, known):
                    rule.hits += 1
                    return rule
        return None

    def learn(self, method: str, request: bytes, reply: bytes) -> None:
        if method not in CREATORS:
            return
        with self.lock:
            # A sandbox's request names the pod's UID; a container's begins with its sandbox's id, which is known already.
            names = IDS.findall(reply) + (IDS.findall(request) if method == "RunPodSandbox" else [])
            for name in names:
                self.made_by.setdefault(name, request)


class Front:
    """The agent's connections, passed on byte by byte to the gRPC server, so that they can be cut."""

    def __init__(self, listen: str, inner: str):
        self.inner, self.lock, self.pairs = inner, threading.Lock(), []
        self.server = socket.socket(socket.AF_UNIX)
        self.server.bind(listen)
        self.server.listen(64)
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self) -> None:
        while True:
            outside, _ = self.server.accept()
            inside = socket.socket(socket.AF_UNIX)
            inside.connect(self.inner)
            with self.lock:
                self.pairs.append((outside, inside))
            for source, sink in ((outside, inside), (inside, outside)):
                threading.Thread(target=self.copy, args=(source, sink), daemon=True).start()

    def copy(self, source: socket.socket, sink: socket.socket) -> None:
        try:
            while data := source.recv(65536):
                sink.sendall(data)
        except OSError:
            pass
        for end in (source, sink):
            self.shut(end)

    @staticmethod
    def shut(end: socket.socket) -> None:
        try:
            end.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass

    def cut(self) -> None:
        with self.lock:
            pairs, self.pairs = self.pairs, []
        for pair in pairs:
            for end in pair:
                self.shut(end)


class Proxy(grpc.GenericRpcHandler):
    def __init__(self, rules: Rules, backend: str):
        self.rules, self.front = rules, None
        self.channel = grpc.insecure_channel(f"unix:{backend}", options=OPTIONS)

    def service(self, details):
        method = details.method.rsplit("/", 1)[-1]
        if method in STREAMS:
            return grpc.unary_stream_rpc_method_handler(
                lambda request, context: self.stream(details.method, method, request, context)
            )
        return grpc.unary_unary_rpc_method_handler(
            lambda request, context: self.unary(details.method, method, request, context)
        )

    @staticmethod
    def metadata(context) -> list:
        return [(key, value) for key, value in context.invocation_metadata() if not key.startswith(("user-agent", "grpc-"))]

    @staticmethod
    def time_left(context) -> float | None:
        left = context.time_remaining()
        return None if left is None or left > 1e8 else left

    def unary(self, path: str, method: str, request: bytes, context) -> bytes:
        rule = self.rules.of_call(method, request)
        if rule:
            self.before(rule, context)
        call = self.channel.unary_unary(path).future(
            request, metadata=self.metadata(context), timeout=self.time_left(context), wait_for_ready=False
        )
        context.add_callback(call.cancel)
        try:
            reply = call.result()
        except grpc.FutureCancelledError:
            context.abort(grpc.StatusCode.CANCELLED, "cancelled")
        except grpc.RpcError as error:
            context.abort(error.code(), error.details() or "")
        self.rules.learn(method, request, reply)
        if rule and rule.kind == "cut":
            self.front.cut()
        if rule and rule.kind in ("cut", "lose"):
            context.abort(rule.code, rule.text)
        return reply

    def before(self, rule: Rule, context) -> None:
        if rule.kind == "fail":
            context.abort(rule.code, rule.text)
        elif rule.kind == "delay":
            time.sleep(rule.seconds)
        elif rule.kind == "hang":
            ended = threading.Event()
            if not context.add_callback(ended.set):
                ended.set()
            while not rule.gone.wait(0.2):
                if ended.is_set():
                    context.abort(grpc.StatusCode.CANCELLED, "given up by the caller")

    def stream(self, path: str, method: str, request: bytes, context):
        rule = self.rules.of_call(method, request)
        if rule:
            self.before(rule, context)
        call = self.channel.unary_stream(path)(request, metadata=self.metadata(context))
        context.add_callback(call.cancel)
        if rule and rule.kind == "cut":
            threading.Timer(0.3, self.front.cut).start()
        try:
            yield from call
        except grpc.RpcError as error:
            context.abort(error.code(), error.details() or "")


def serve_orders(path: str, rules: Rules, proxy: Proxy) -> None:
    server = socket.socket(socket.AF_UNIX)
    server.bind(path)
    server.listen(4)
    while True:
        connection, _ = server.accept()
        with connection, connection.makefile("rw") as lines:
            for line in lines:
                order = json.loads(line)
                if order["do"] == "add":
                    answer = rules.add(order["rule"])
                elif order["do"] == "remove":
                    answer = rules.remove(order["number"])
                elif order["do"] == "cut":
                    answer = proxy.front.cut()
                else:
                    answer = {"hits": rules.hits(), "calls": rules.calls}
                lines.write(json.dumps(answer) + "\n")
                lines.flush()


PR_SET_PDEATHSIG = 1


def main(listen: str, backend: str, control: str) -> None:
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)  # a session that is killed leaves no proxy behind
    rules = Rules()
    proxy = Proxy(rules, backend)
    inner = f"{listen}.in"
    # A call that hangs keeps its thread.
    server = grpc.server(concurrent.futures.ThreadPoolExecutor(400), options=OPTIONS)
    server.add_generic_rpc_handlers((proxy,))
    if server.add_insecure_port(f"unix:{inner}") == 0:
        sys.exit(f"cannot listen on {inner}")
    server.start()
    proxy.front = Front(listen, inner)
    serve_orders(control, rules, proxy)


if __name__ == "__main__":
    try:
        main(*sys.argv[1:])
    except KeyboardInterrupt:
        os._exit(0)
