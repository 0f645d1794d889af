"""Random and mutated lines neither crash the engine nor hang it, and it plays on as if nothing had been said."""

import random
import string
from pathlib import Path

from agent.uci.words import read_command
from tests.agent.standin import PATIENCE
from tests.processes import run_python

LINES = 10_000
SENTENCES = (
    "uci; isready; ucinewgame; debug on; debug off; stop; ponderhit; register later; position startpos; "
    "position startpos moves e2e4 e7e5 g1f3; position fen 8/8/8/8/8/5k2/8/4q2K w - - 0 1; "
    "position fen r3k2r/p1ppqpb1/bn2pnp1/3PN3/1p2P3/2N2Q1p/PPPBBPPP/R3K2R w KQkq - 0 1 moves e1g1; "
    "go nodes 5; go movetime 1; go wtime 50 btime 50 winc 1 binc 1 movestogo 2; go depth 1; go mate 1 nodes 20; "
    "go infinite; go ponder wtime 10 btime 10; go searchmoves e2e4 d2d4 nodes 4; setoption name MultiPV value 3; "
    "setoption name MultiPV value 1; setoption name UCI_ShowWDL value true; setoption name Temperature value 100; "
    "setoption name UCI_LimitStrength value true; setoption name UCI_Elo value 900; "
    "setoption name Move Overhead value 10; setoption name Threads value 2; "
    "setoption name WeightsFile value nowhere.safetensors"
)
SOUND = SENTENCES.split("; ")


def mutated(chance: random.Random) -> bytes:
    line = bytearray(chance.choice(SOUND).encode())
    for _ in range(chance.choice([0, 1, 1, 2, 5])):
        place = chance.randrange(len(line) + 1)
        kind = chance.randrange(4)
        if kind == 0:
            line[place:place] = bytes(chance.choices(range(256), k=chance.choice([1, 1, 3, 40])))
        elif kind == 1:
            del line[place : place + chance.randint(1, 8)]
        elif kind == 2:
            line[place:place] = b" " + chance.choice(SOUND).encode() + b" "
        else:
            line[place:place] = chance.choice([b"-", b"9" * 30, b"0", b"e8=Q", b"\t", b"\x00", b" value ", b" moves "])
    # Lines that end it, or that ask for a great tree or a long thought, are another test's.
    bare = bytes(line).replace(b"\n", b" ").replace(b"\r", b" ")
    return b"x" if b"quit" in bare or b"Hash" in bare or b"hash" in bare else bare


def test_ten_thousand_lines(tmp_path: Path) -> None:
    chance = random.Random(2026)
    letters = (string.ascii_letters + string.digits + " /-\t=#+").encode()
    lines = [
        mutated(chance) if chance.random() < 0.8 else bytes(chance.choices(letters, k=chance.randrange(60)))
        for _ in range(LINES)
    ]
    # Whatever thinks without end is stopped, so that the rest is read.
    asked = [line + (b"\n" if number % 10 else b"\nstop\n") for number, line in enumerate(lines)]
    asked.append(b"stop\nsetoption name UCI_LimitStrength value false\nsetoption name MultiPV value 1\n")
    asked.append(b"ucinewgame\nposition startpos moves e2e4\nisready\ngo nodes 64\n")
    typed = b"".join(asked).decode(errors="surrogateescape")
    done = run_python("-m", "zeromass", "uci", folder=tmp_path, typed=typed, seconds=4 * PATIENCE)
    assert (done.returncode, done.stderr) == (0, "")
    answers = done.stdout.splitlines()
    assert answers[-1].startswith("bestmove ")
    assert " nodes 64 " in answers[-2]
    started = sum(read_command(line.decode(errors="replace"))[0] == "go" for line in lines) + 1
    assert sum(answer.startswith("bestmove ") for answer in answers) == started
