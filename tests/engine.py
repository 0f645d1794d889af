"""A UCI engine for tests: `python engine.py FOLDER [FAULT]`. It notes what it is told in `told` there. Of the moves it
plays the one that is worth most by `scores` there, a JSON object of UCI scores by move, else the first one by its name;
it ends where that is null. In the third game it does what FAULT says: `die`, be `silent`, or answer that word."""

import json
import sys
from pathlib import Path

import chess

folder, fault = Path(sys.argv[1]), "".join(sys.argv[2:])
board, games = chess.Board(), 0
for line in sys.stdin:
    words = line.split()
    with (folder / "told").open("a") as told:
        told.write(line)
    if words[0] == "uci":
        print("id name Stand-in 1.0\noption name Threads type spin default 4 min 1 max 8")
        print("option name Hash type spin default 1 min 1 max 99\noption name UCI_AnalyseMode type check default false")
        print("option name UCI_LimitStrength type check default false")
        print("option name UCI_Elo type spin default 1350 min 1350 max 2850\nuciok")
    elif words[0] == "isready":
        print("readyok")
    elif words[0] == "ucinewgame":
        games += 1
    elif words[0] == "position":
        board = chess.Board(" ".join(words[2:8]) if words[1] == "fen" else chess.STARTING_FEN)
        for move in words[words.index("moves") + 1 :] if "moves" in words else []:
            board.push_uci(move)
    elif words[0] == "go":
        scores = json.loads((folder / "scores").read_text()) if (folder / "scores").exists() else {}
        if scores is None or (fault == "die" and games > 2):
            sys.exit(1)
        moves = words[words.index("searchmoves") + 1 :] if "searchmoves" in words else map(str, board.legal_moves)
        worth = {move: scores.get(move, "cp 0").split() for move in sorted(moves)}
        best = max(worth, key=lambda move: int(worth[move][1]) * (100 if worth[move][0] == "mate" else 1))
        if not fault or games <= 2:
            print("info depth 1 score", scores.get("any", " ".join(worth[best])), "pv", best)
            print("bestmove", best)
        elif fault != "silent":
            print("bestmove", fault)
    elif words[0] == "quit":
        break
    sys.stdout.flush()
