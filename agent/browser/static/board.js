// The board: cm-chessboard for pieces and pointers, a layer of squares for keyboard and screen reader, and drawings.
import {Chessboard, COLOR, INPUT_EVENT_TYPE} from "./vendor/cm-chessboard/src/Chessboard.js"
import {element, svg} from "./dom.js"

const PIECES = {p: "pawn", n: "knight", b: "bishop", r: "rook", q: "queen", k: "king"}
const QUIET = matchMedia("(prefers-reduced-motion: reduce)")
const FILES = "abcdefgh"

/** Files and ranks from the upper left corner, 0 to 7. */
function place(square, flipped) {
    const file = FILES.indexOf(square[0]), rank = Number(square[1]) - 1
    return flipped ? [7 - file, rank] : [file, 7 - rank]
}

/** Pieces of a FEN by square, such as {e1: "wk"}. */
function piecesOf(fen) {
    const found = {}
    fen.split(" ")[0].split("/").forEach((row, down) => {
        let file = 0
        for (const letter of row) {
            if (letter >= "1" && letter <= "8") {
                file += Number(letter)
            } else {
                found[FILES[file++] + (8 - down)] = (letter < "a" ? "w" : "b") + letter.toLowerCase()
            }
        }
    })
    return found
}

export class Board {
    /** `play` gets a chosen move by its squares, legal or not. */
    constructor(play) {
        this.play = play
        this.legal = []
        this.flipped = null
        this.selected = null
        this.cursor = "e2"
        this.fen = ""
        this.board = new Chessboard(document.getElementById("board"), {
            assetsUrl: new URL("./", import.meta.url).href,
            style: {pieces: {file: "pieces.svg"}, animationDuration: QUIET.matches ? 0 : 180, cssClass: "zeromass"},
        })
        const view = this.board.view
        view.svg.setAttribute("aria-hidden", "true")
        const layer = parent => parent.appendChild(svg("svg", {viewBox: "0 0 8 8", width: "100%", height: "100%"}))
        this.below = layer(view.markersLayer)
        this.above = layer(view.markersTopLayer)
        this.grid = document.getElementById("squares")
        this.grid.addEventListener("keydown", event => this.#key(event))
        this.grid.addEventListener("focusin", event => { this.cursor = event.target.dataset.square ?? this.cursor })
        this.marks = {heat: new Map(), arrows: [], last: "", check: ""}
    }

    /** Show a position. `legal`: moves that may be chosen, none where it is not a person's turn. */
    show({fen, flipped, legal, last, check}) {
        const moved = fen !== this.fen
        this.fen = fen
        this.legal = legal
        this.pieces = piecesOf(fen)
        if (flipped !== this.flipped) {
            this.flipped = flipped
            this.board.setOrientation(flipped ? COLOR.black : COLOR.white)
        }
        if (moved || this.board.getPosition() !== fen.split(" ")[0]) {
            this.selected = null
            this.board.setPosition(fen, !QUIET.matches)
        }
        if (this.board.isMoveInputEnabled() !== legal.length > 0) {
            legal.length ? this.board.enableMoveInput(event => this.#pointer(event)) : this.board.disableMoveInput()
        }
        const turn = fen.split(" ")[1]
        const king = check && Object.keys(this.pieces).find(square => this.pieces[square] === turn + "k")
        Object.assign(this.marks, {last: last ?? "", check: king || ""})
        this.#squares()
        this.draw()
    }

    #pointer(event) {
        if (event.type === INPUT_EVENT_TYPE.moveInputStarted) {
            this.select(event.squareFrom)
            return this.legal.some(move => move.startsWith(event.squareFrom))
        }
        if (event.type === INPUT_EVENT_TYPE.validateMoveInput) {
            const own = this.pieces[event.squareTo]?.[0] === this.pieces[event.squareFrom]?.[0]
            const legal = this.legal.some(move => move.startsWith(event.squareFrom + event.squareTo))
            if (legal || !own) {
                this.play(event.squareFrom, event.squareTo)
            }
            return legal
        }
        if (event.type !== INPUT_EVENT_TYPE.movingOverSquare) {
            this.select(null)
        }
        return undefined
    }

    #key(event) {
        const turn = this.flipped ? -1 : 1
        const steps = {ArrowUp: [0, 1], ArrowDown: [0, -1], ArrowLeft: [-1, 0], ArrowRight: [1, 0]}
        if (steps[event.key]) {
            const [files, ranks] = steps[event.key]
            const within = number => Math.min(Math.max(number, 0), 7)
            const file = within(FILES.indexOf(this.cursor[0]) + turn * files)
            this.cursor = FILES[file] + (within(Number(this.cursor[1]) - 1 + turn * ranks) + 1)
            this.#squares()
            this.grid.querySelector(`[data-square=${this.cursor}]`).focus()
        } else if (event.key === "Enter" || event.key === " ") {
            this.#choose(this.cursor)
        } else if (event.key === "Escape") {
            this.select(null)
        } else {
            return
        }
        event.preventDefault()
    }

    #choose(square) {
        const turn = this.fen.split(" ")[1]
        if (this.selected && square !== this.selected && this.pieces[square]?.[0] !== turn) {
            const origin = this.selected
            this.select(null)
            this.play(origin, square)
        } else {
            const own = this.legal.length > 0 && this.pieces[square]?.[0] === turn
            this.select(own && square !== this.selected ? square : null)
        }
    }

    /** Mark a piece and where it may go; null: none. */
    select(square) {
        this.selected = square
        this.#squares()
        this.draw()
    }

    /** The position as it is, after a move that was not played. */
    restore() {
        this.board.setPosition(this.fen, false)
    }

    #targets() {
        return this.selected ? this.legal.filter(move => move.startsWith(this.selected)).map(move => move.slice(2, 4)) : []
    }

    #squares() {
        if (this.grid.dataset.flipped !== String(this.flipped)) {
            this.grid.dataset.flipped = String(this.flipped)
            this.grid.replaceChildren(...[0, 1, 2, 3, 4, 5, 6, 7].map(down => element("div", {role: "row"},
                [0, 1, 2, 3, 4, 5, 6, 7].map(across => element("div", {
                    role: "gridcell",
                    "data-square": this.flipped ? FILES[7 - across] + (down + 1) : FILES[across] + (8 - down),
                })))))
        }
        const targets = this.#targets()
        for (const cell of this.grid.querySelectorAll("[data-square]")) {
            const square = cell.dataset.square, piece = this.pieces?.[square]
            const words = [square, piece ? `${piece[0] === "w" ? "white" : "black"} ${PIECES[piece[1]]}` : "empty"]
            if (square === this.selected) words.push("chosen")
            if (targets.includes(square)) words.push("can be reached")
            cell.setAttribute("aria-label", words.join(", "))
            cell.setAttribute("aria-selected", String(square === this.selected))
            cell.tabIndex = square === this.cursor ? 0 : -1
        }
    }

    /** Draw heat map, last move, check, targets and arrows. `heat`: Map of square to {share, wrong}. */
    draw() {
        const {heat, arrows, last, check} = this.marks
        const at = square => place(square, this.flipped)
        const rect = (square, name, more = {}) => {
            const [x, y] = at(square)
            return svg("rect", {x, y, width: 1, height: 1, class: name, ...more})
        }
        const below = []
        for (const square of heat.size ? [] : [last.slice(0, 2), last.slice(2, 4)].filter(Boolean)) {
            below.push(rect(square, "last"))
        }
        for (const [square, {share, wrong}] of heat) {
            below.push(rect(square, wrong ? "heat wrong" : "heat", {"fill-opacity": Math.min(0.06 + 0.9 * Math.sqrt(share), 0.95)}))
        }
        if (check) below.push(rect(check, "check"))
        if (this.selected) below.push(rect(this.selected, "selected"))
        const above = []
        for (const square of this.#targets()) {
            const [x, y] = at(square)
            const taken = this.pieces[square]
            above.push(svg("circle", {cx: x + 0.5, cy: y + 0.5, r: taken ? 0.44 : 0.14, class: taken ? "target taken" : "target"}))
        }
        for (const [square, {share, wrong}] of heat) {
            if (share >= 0.005) {
                const [x, y] = at(square)
                const words = share >= 0.0995 ? (100 * share).toFixed(0) : (100 * share).toFixed(1)
                above.push(svg("text", {x: x + 0.95, y: y + 0.95, class: wrong ? "share wrong" : "share"}, [words]))
            }
        }
        arrows.forEach(({uci, share}, number) => above.unshift(this.#arrow(uci, share, number)))
        this.below.replaceChildren(...below)
        this.above.replaceChildren(...above)
    }

    #arrow(uci, share, number) {
        const [x1, y1] = place(uci.slice(0, 2), this.flipped), [x2, y2] = place(uci.slice(2, 4), this.flipped)
        const length = Math.hypot(x2 - x1, y2 - y1), [dx, dy] = [(x2 - x1) / length, (y2 - y1) / length]
        const width = 0.07 + 0.13 * share, head = 0.16 + 0.16 * share
        const [ex, ey] = [x2 + 0.5 - 0.1 * dx, y2 + 0.5 - 0.1 * dy], [sx, sy] = [ex - 1.7 * head * dx, ey - 1.7 * head * dy]
        const tip = [[ex, ey], [sx - head * dy, sy + head * dx], [sx + head * dy, sy - head * dx]]
        return svg("g", {class: number ? "arrow" : "arrow best", opacity: 0.35 + 0.5 * share}, [
            svg("line", {x1: x1 + 0.5 + 0.2 * dx, y1: y1 + 0.5 + 0.2 * dy, x2: sx, y2: sy, "stroke-width": width}),
            svg("polygon", {points: tip.map(point => point.join(",")).join(" ")}),
        ])
    }
}
