// Everything beside the board that only shows: players, thoughts, policy, moves, curve.
import {byId, element, svg} from "./dom.js"

const SIGNS = {blunder: "??", mistake: "?", inaccuracy: "?!"}
const PIECES = [["q", "♛", 9], ["r", "♜", 5], ["b", "♝", 3], ["n", "♞", 3], ["p", "♟", 1]] // with their worth in pawns
const percent = share => `${(100 * share).toFixed(share < 0.0995 ? 1 : 0)} %`

/** What the side of `color` took between two positions, and how many pawns it is ahead. */
function takings(start, fen, color) {
    const count = (position, letter) => position.split(" ")[0].split(letter).length - 1
    let taken = "", lead = 0
    for (const [letter, glyph, worth] of PIECES) {
        const own = color === "w" ? letter.toUpperCase() : letter, other = color === "w" ? letter : letter.toUpperCase()
        taken += glyph.repeat(Math.max(count(start, other) - count(fen, other), 0))
        lead += worth * (count(fen, own) - count(fen, other))
    }
    return taken + (lead > 0 ? ` +${lead}` : "")
}

export function showPlayer(id, side, color, {start, fen, turn, clock}) {
    byId(id).replaceChildren(
        element("span", {class: turn ? "name turn" : "name"}, [side.name]),
        element("span", {class: "taken", "aria-hidden": "true"}, [takings(start, fen, color)]),
        element("span", {class: "clock"}, [clock]),
    )
}

export function clockText(seconds) {
    const tenths = Math.max(0, Math.floor(10 * seconds))
    const shown = seconds < 20 ? (tenths % 600 / 10).toFixed(1).padStart(4, "0") : String(Math.floor(tenths % 600 / 10)).padStart(2, "0")
    return `${Math.floor(tenths / 600)}:${shown}`
}

export function showThought(thought) {
    const lines = byId("lines")
    const [win, draw, loss] = thought ? thought.wdl : [0, 0, 0]
    const words = thought ? `White ${percent(win / 1000)}, draw ${percent(draw / 1000)}, Black ${percent(loss / 1000)}` : "No report yet."
    byId("wdl").setAttribute("aria-label", words)
    byId("wdl-words").textContent = words;
    [...byId("wdl").children].forEach((part, place) => { part.style.width = `${[win, draw, loss][place] / 10}%` })
    if (!thought) {
        byId("effort").textContent = ""
        lines.replaceChildren()
        return
    }
    const count = number => number.toLocaleString("en")
    byId("effort").textContent =
        `${thought.live ? "searching: " : ""}${count(thought.nodes)} nodes, ${count(Math.round(thought.speed))}/s, depth ${thought.depth.toFixed(0)} to ${thought.deepest}`
    lines.replaceChildren(...thought.lines.map(line => element("tr", {}, [
        element("th", {scope: "row"}, [line.sans[0]]),
        element("td", {}, [percent(line.prior)]),
        element("td", {}, [count(line.nodes)]),
        element("td", {}, [line.value]),
        element("td", {class: "then"}, [line.sans.slice(1).join(" ")]),
    ])))
}

/** Sums and best moves of the heat map's choice; returns the heat by square. */
export function showPolicy(choice, policy, thought) {
    const heat = new Map(), add = (square, share, wrong) => {
        const before = heat.get(square)?.share ?? 0
        heat.set(square, {share: before + share, wrong})
    }
    let words = "The network’s probability of each move, summed by target square.", moves = [], sums = ["–", "–"]
    if (policy) {
        sums = [policy.legal.toFixed(6), policy.illegal === 0 ? "0.0" : policy.illegal.toExponential(2)]
        moves = Object.entries(policy.moves)
    }
    if (choice === "unmasked" && policy) {
        sums = [policy.unmasked.legal.toFixed(6), policy.unmasked.illegal.toFixed(6)]
        moves = Object.entries(policy.unmasked.moves)
        words = "A softmax over all 1,880 moves, without a mask: what illegal moves would get. Nothing here plays so."
    } else if (choice === "after" && thought && Object.keys(thought.searched).length) {
        const total = Math.max(1, Object.values(thought.searched).reduce((sum, nodes) => sum + nodes, 0))
        moves = Object.entries(thought.searched).map(([uci, nodes]) => [uci, nodes / total])
        sums = [moves.reduce((sum, [, share]) => sum + share, 0).toFixed(6), sums[1]]
        words = "Each legal move’s share of the search, summed by target square."
    } else if (choice === "after") {
        moves = []
        words = "No search of this position yet."
    }
    moves.forEach(([uci, share]) => add(uci.slice(2, 4), share, choice === "unmasked"))
    byId("sum-legal").textContent = sums[0]
    byId("sum-illegal").textContent = sums[1]
    byId("sums").classList.toggle("leaks", choice === "unmasked")
    byId("policy-words").textContent = words
    const best = [...moves].sort((one, other) => other[1] - one[1]).slice(0, 5)
    byId("policy-moves").replaceChildren(...best.map(([uci, share]) => element("li", {}, [`${policy?.sans[uci] ?? uci} ${percent(share)}`])))
    return choice ? new Map([...heat].filter(([, {share}]) => share >= 0.0005)) : new Map()
}

export function showMoves(game, shown, goTo) {
    const rows = []
    game.plies.forEach((ply, index) => {
        if (ply.white || !rows.length) {
            rows.push(element("div", {class: "pair"}, [element("span", {class: "number"}, [`${ply.number}.`])]))
            if (!ply.white) rows.at(-1).append(element("span", {class: "ply"}, ["…"]))
        }
        const button = element("button", {class: `ply ${ply.verdict ?? ""}`}, [ply.san + (SIGNS[ply.verdict] ?? "")])
        if (index + 1 === shown) button.setAttribute("aria-current", "step")
        button.addEventListener("click", () => goTo(index + 1))
        rows.at(-1).append(button)
    })
    if (game.result !== "*") rows.push(element("p", {class: "result"}, [`${game.result}  ${game.reason}`]))
    const box = byId("moves")
    box.replaceChildren(...rows)
    const current = box.querySelector("[aria-current]")
    box.scrollTop = current ? current.offsetTop - box.clientHeight / 2 : 0
    showVerdict(game.plies[shown - 1])
}

function showVerdict(ply) {
    let words = ""
    if (ply?.verdict) words = `${ply.san} is ${ply.verdict === "inaccuracy" ? "an" : "a"} ${ply.verdict}: it loses ${ply.lost.toFixed(2)} of expected score. `
    if (ply?.better) words += `Better: ${ply.better}`
    byId("verdict").textContent = words
}

export function showCurve(plies, shown, goTo) {
    const curve = byId("curve"), step = 300 / Math.max(plies.length, 20)
    const x = ply => ply * step, y = value => 45 - 42 * value
    const known = plies.map((ply, index) => [index + 1, ply.value, ply.verdict]).filter(([, value]) => value !== null)
    const points = [...known, ...known.slice(-1)].map(([ply, value]) => `${x(ply)},${y(value)}`).join(" ")
    const area = known.length ? `${x(known[0][0])},45 ${points} ${x(known.at(-1)[0])},45` : ""
    curve.replaceChildren(
        svg("polygon", {points: area, class: "area"}),
        svg("line", {x1: 0, x2: 300, y1: 45, y2: 45, class: "zero"}),
        svg("polyline", {points, class: "line"}),
        ...known.filter(([, , verdict]) => verdict).map(([ply, value, verdict]) =>
            svg("line", {x1: x(ply), x2: x(ply), y1: y(value) - 7, y2: y(value) + 7, class: `slip ${verdict}`})),
        svg("line", {x1: x(shown), x2: x(shown), y1: 0, y2: 90, class: "now"}),
    )
    curve.onclick = event => {
        const box = curve.getBoundingClientRect()
        goTo(Math.min(plies.length, Math.max(0, Math.round(300 * (event.clientX - box.left) / box.width / step))))
    }
}
