"""Speed of one peer, as JSON; `null` where it is not installed.

    python benchmarks/peers.py OpenSpiel

Each plays random plies on one core, with what its users need for a ply: OpenSpiel and PettingZoo observation and mask.
Imports nothing of ZeroMass, so that it runs in an environment that has only the peers."""

import json
import os
import random
import sys
from collections.abc import Callable
from importlib import import_module
from importlib.util import find_spec
from time import perf_counter


def open_spiel(plies: int = 15_000) -> float:
    game = import_module("pyspiel").load_game("chess")
    state, started = game.new_initial_state(), perf_counter()
    for _ in range(plies):
        if state.is_terminal():
            state = game.new_initial_state()
        state.observation_tensor()
        state.legal_actions_mask()
        state.apply_action(random.choice(state.legal_actions()))
    return plies / (perf_counter() - started)


def python_chess(plies: int = 10_000) -> float:
    chess = import_module("chess")
    board, played, started = chess.Board(), 0, perf_counter()
    while played < plies:
        moves = list(board.legal_moves)
        if not moves or board.outcome(claim_draw=False) is not None or board.ply() > 400:
            board = chess.Board()
            continue
        board.push(random.choice(moves))
        played += 1
    return plies / (perf_counter() - started)


def petting_zoo(plies: int = 2_000) -> float:
    environment, played = import_module("pettingzoo.classic.chess.chess").raw_env(), 0
    started = perf_counter()
    while played < plies:
        environment.reset()
        while not any(environment.terminations.values()) and played < plies:
            agent = environment.agent_selection
            environment.step(environment.action_space(agent).sample(environment.observe(agent)["action_mask"]))
            played += 1
    return played / (perf_counter() - started)


PEERS: dict[str, tuple[str, Callable[[], float]]] = {
    "OpenSpiel": ("pyspiel", open_spiel),
    "python-chess": ("chess", python_chess),
    "PettingZoo": ("pettingzoo pygame", petting_zoo),
}


def main() -> None:
    modules, measure = PEERS[sys.argv[1]]
    if not all(find_spec(module) for module in modules.split()):
        print("null")
        return
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    random.seed(0)
    print(json.dumps(measure()))


if __name__ == "__main__":
    main()
