// The page: it talks with the server, keeps what was said last, and draws it.
import {Board} from "./board.js"
import {byId, element, svg} from "./dom.js"
import {showRun} from "./learning.js"
import {clockText, showCurve, showMoves, showPlayer, showPolicy, showThought} from "./panels.js"

const STRENGTHS = ["0.1s", "0.5s", "1s", "3s", "10s", "100", "400", "1600", "elo 400", "elo 800", "elo 1200", "elo 1600", "elo 1900"]
const CLOCKS = ["off", "1+0", "3+2", "5+3", "10+5", "30+20"]
const KINDS = {q: "queen", r: "rook", b: "bishop", n: "knight"}

let socket, game = null, shown = 0, following = true, policy = null, thought = null, received = 0, player = null
let searching = false, looking = 0, restoring = false

const newId = () => [...crypto.getRandomValues(new Uint8Array(16))].map(byte => byte.toString(16).padStart(2, "0")).join("")
const stored = key => sessionStorage.getItem(`zeromass-${key}`)
const store = (key, value) => sessionStorage.setItem(`zeromass-${key}`, value)

function send(message) {
    if (socket?.readyState === WebSocket.OPEN) {
        socket.send(JSON.stringify(message))
    }
}

const type = text => send({kind: "line", text})

// The connection. It comes back by itself; a game that the server does not know any more is given to it again.

function connect(again = 0) {
    if (!stored("page")) store("page", newId())
    const address = new URL(`socket?page=${stored("page")}`, location.href)
    address.protocol = "ws:"
    socket = new WebSocket(address)
    let refused = ""
    socket.addEventListener("message", event => {
        const message = JSON.parse(event.data)
        if (message.kind === "taken" && again >= 3) { // another tab is the copy of this one
            store("page", newId())
            sessionStorage.removeItem("zeromass-game")
        }
        if (["taken", "full"].includes(message.kind)) refused = message.kind
        receive(message)
    })
    socket.addEventListener("close", () => {
        if (refused === "full") return
        if (!refused) banner("The server does not answer. Start zeromass play --browser again and open the address it prints in this tab: your game is kept and goes on.")
        setTimeout(() => connect(refused ? again + 1 : 0), refused ? 300 : 2000)
    })
}

function banner(text) {
    byId("banner").hidden = !text
    byId("banner").textContent = text
    document.body.classList.toggle("away", Boolean(text))
}

const receivers = {
    hello({known}) {
        banner("")
        const kept = JSON.parse(stored("game") ?? "null")
        if (!known && kept) {
            restoring = true
            log("The server was started again; your game goes on.")
            send({kind: "pgn", text: kept.pgn})
            if (kept.level) type(`strength ${kept.level}`)
            type(`side ${kept.side}`)
        }
    },
    full({text}) { banner(text) },
    said({text}) { log(text) },
    game(message) {
        const kept = game?.plies[shown - 1]?.fen
        game = message
        document.querySelector("main").inert = false
        received = performance.now()
        if (following || kept !== game.plies[shown - 1]?.fen) {
            following = true
            shown = game.plies.length
        }
        if (restoring && game.plies.length) restoring = false
        if (!restoring) store("game", JSON.stringify({pgn: game.pgn, side: sideOf(game), level: levelOf(game)}))
        if (game.plies.length === 0 && !restoring) sessionStorage.removeItem("zeromass-game")
        draw()
    },
    thought(message) { thought = message; drawThought() },
    policy(message) { policy = message; drawPolicy() },
    progress({done, total}) {
        byId("progress").hidden = done >= total
        byId("progress").value = done / Math.max(total, 1)
    },
    run: showRun,
}

const receive = message => receivers[message.kind]?.(message)

function sideOf({sides}) {
    if (sides.w.person && sides.b.person) return "both"
    return sides.w.person ? "white" : sides.b.person ? "black" : "none"
}

/** A level as it is typed, from how the server says it. */
const levelOf = ({level}) => level.replace(" s a move", "s").replace(" simulations", "").replace(/about (\d+) Elo/, "elo $1")

// Drawing.

const fenShown = () => (shown ? game.plies[shown - 1].fen : game.start)
const atEnd = () => shown === game.plies.length
const running = () => game?.result === "*" && game.sides.w.seconds !== null
const mayMove = () => atEnd() && game.result === "*" && !game.busy && game.sides[game.turn].person
const thoughtShown = () => (thought?.fen === fenShown() ? thought : null)

function draw() {
    const ply = game.plies[shown - 1]
    board.show({fen: fenShown(), flipped: game.flipped, legal: mayMove() ? game.legal : [], last: ply?.uci, check: ply?.check})
    drawClocks()
    showMoves(game, shown, goTo)
    showCurve(game.plies, shown, goTo)
    choose("side", sideOf(game))
    choose("strength", levelOf(game))
    if (document.activeElement !== byId("fen")) byId("fen").value = fenShown()
    byId("download").href = `data:application/x-chess-pgn;charset=utf-8,${encodeURIComponent(game.pgn + "\n")}`
    drawThought()
    drawPolicy()
    tell()
    look()
}

function drawClocks() {
    const above = game.flipped ? "w" : "b"
    for (const [id, color] of [["above", above], ["below", above === "w" ? "b" : "w"]]) {
        const side = game.sides[color], runs = running() && color === game.turn
        const left = side.seconds === null ? null : side.seconds - (runs ? (performance.now() - received) / 1000 : 0)
        const turn = game.result === "*" && color === game.turn, clock = left === null ? "" : clockText(left)
        showPlayer(id, side, color, {start: game.start, fen: fenShown(), turn, clock})
    }
}

function drawThought() {
    const now = thoughtShown() ?? (atEnd() && thought?.fen === (game.plies.at(-2)?.fen ?? game.start) ? thought : null)
    showThought(now)
    const total = Math.max(1, ...(now?.lines ?? []).map(line => line.nodes))
    const there = byId("arrows").checked && now?.fen === fenShown()
    board.marks.arrows = there ? now.lines.slice(0, 3).map(line => ({uci: line.uci, share: line.nodes / total})) : []
    if (thought && !thought.live && thought.fen === fenShown()) setSearching(false)
    if (heatChoice() === "after") drawPolicy()
    else board.draw()
}

const heatChoice = () => document.querySelector("input[name=heat]:checked").value

function drawPolicy() {
    board.marks.heat = showPolicy(heatChoice(), policy?.fen === fenShown() ? policy : null, thoughtShown())
    board.draw()
}

/** Ask for what belongs to the position that is shown, once it stays for a moment. */
function look() {
    clearTimeout(looking)
    looking = setTimeout(() => {
        if (policy?.fen !== fenShown()) send({kind: "look", ply: shown})
        if (searching && !game.thinking && thought?.fen !== fenShown()) send({kind: "think", on: true, ply: shown})
    }, 120)
}

function log(text) {
    const box = byId("log")
    box.append(element("p", {}, [text]))
    while (box.children.length > 100) box.firstChild.remove()
    box.scrollTop = box.scrollHeight
    byId("said").textContent = text.split("\n")[0]
}

function tell() {
    const ply = game.plies[shown - 1], words = []
    if (ply) words.push(`${ply.number}${ply.white ? "." : "…"} ${ply.san}`)
    if (!atEnd()) words.push(`looking back, ${game.plies.length - shown} from the end`)
    else if (game.result !== "*") words.push(`${game.result}, ${game.reason}`)
    else if (game.busy) words.push(`${game.busy} …`)
    else words.push(mayMove() ? (game.sides.w.person !== game.sides.b.person ? "your move" : `${game.turn === "w" ? "White" : "Black"} to move`) : "ZeroMass thinks")
    byId("status").textContent = words.join(" · ")
}

function choose(id, value) {
    const select = byId(id)
    if (![...select.options].some(option => option.value === value)) select.append(element("option", {value}, [value]))
    select.value = value
}

// What the user does.

function goTo(ply) {
    shown = Math.min(Math.max(ply, 0), game.plies.length)
    following = atEnd()
    draw()
}

async function play(from, to) {
    const moves = game.legal.filter(move => move.startsWith(from + to))
    const move = moves.length > 1 ? await promotion(from + to) : moves[0] ?? from + to
    if (move) type(move)
    if (!move || !moves.length) board.restore()
}

function promotion(squares) {
    const dialog = byId("promotion")
    return new Promise(resolve => {
        dialog.replaceChildren(...Object.entries(KINDS).map(([letter, name]) => {
            const button = element("button", {value: letter, "aria-label": name}, [
                svg("svg", {viewBox: "0 0 40 40", "aria-hidden": "true"}, [svg("use", {href: `#${game.turn}${letter}`})])])
            button.addEventListener("click", () => dialog.close(letter))
            return button
        }))
        dialog.returnValue = ""
        dialog.addEventListener("close", () => resolve(dialog.returnValue ? squares + dialog.returnValue : null), {once: true})
        dialog.showModal()
    })
}

function setSearching(on) {
    searching = on
    byId("think").setAttribute("aria-pressed", String(on))
    byId("think").textContent = on ? "Stop searching" : "Search this position"
}

function setPlaying(on) {
    clearInterval(player)
    player = on ? setInterval(() => (atEnd() ? playedThrough() : goTo(shown + 1)), 900) : null
    document.querySelector("[data-step=play]").setAttribute("aria-pressed", String(on))
    if (!on) byId("watch").setAttribute("aria-pressed", "false")
}

/** At the end of a game of self-play the newest one follows. */
function playedThrough() {
    if (byId("watch").getAttribute("aria-pressed") === "true") watchGame("newest")
    else setPlaying(false)
}

function watchGame(name) {
    send({kind: "sample", text: name})
    const before = receivers.game
    receivers.game = message => {
        receivers.game = before
        following = true
        before(message)
        goTo(0)
        setPlaying(true)
    }
}

const board = new Board(play)
const on = (id, event, action) => byId(id).addEventListener(event, action)
const submitted = (id, field, line) => on(id, "submit", event => {
    event.preventDefault()
    const text = byId(field).value.trim()
    if (text) line(text)
})

submitted("typed", "line", text => { type(text); byId("line").value = "" })
submitted("fen-form", "fen", text => type(`fen ${text}`))
for (const button of document.querySelectorAll("[data-line]")) button.addEventListener("click", () => { setPlaying(false); type(button.dataset.line) })
for (const [id, values] of [["strength", STRENGTHS], ["clock", CLOCKS]]) {
    byId(id).append(...values.map(value => element("option", {value}, [value])))
    on(id, "change", () => type(`${id} ${byId(id).value}`))
}
on("side", "change", () => type(`side ${byId("side").value}`))
for (const button of document.querySelectorAll("[data-step]")) {
    button.addEventListener("click", () => {
        const step = button.dataset.step
        if (step === "play") {
            if (!player && atEnd()) goTo(0)
            setPlaying(!player)
        } else {
            goTo(step === "first" ? 0 : step === "last" ? game.plies.length : shown + Number(step))
        }
    })
}
for (const radio of document.querySelectorAll("input[name=heat]")) radio.addEventListener("change", drawPolicy)
on("arrows", "change", drawThought)
on("think", "click", () => { setSearching(!searching); send({kind: "think", on: searching, ply: shown}) })
on("judge", "click", () => send({kind: "judge"}))
on("load", "click", () => send({kind: "pgn", text: byId("pgn").value || " "}))
on("copy", "click", () => { byId("pgn").value = game.pgn; byId("pgn").select() })
on("opponent", "change", () => send({kind: "opponent", text: byId("opponent").value}))
on("refresh", "click", () => send({kind: "run"}))
on("watch", "click", () => {
    const start = byId("watch").getAttribute("aria-pressed") !== "true"
    setPlaying(false)
    byId("watch").setAttribute("aria-pressed", String(start))
    if (start) watchGame(byId("sample").value)
})
setInterval(() => running() && drawClocks(), 200)
connect()
