// The strip of a run: its strength, invalid mass and games as small curves.
import {byId, element, svg} from "./dom.js"

const WIDTH = 240, HEIGHT = 56

function figure(title, points, show, band = []) {
    const last = points.at(-1)
    const drawn = svg("svg", {viewBox: `0 0 ${WIDTH} ${HEIGHT}`, preserveAspectRatio: "none", "aria-hidden": "true"})
    if (last) {
        const right = Math.max(last[0], 1), values = [...points.map(point => point[1]), ...band.flatMap(row => row.slice(1))]
        const low = Math.min(...values), high = Math.max(...values, low + 1e-9)
        const at = (step, value) => `${(WIDTH * step / right).toFixed(1)},${(HEIGHT - 4 - (HEIGHT - 8) * (value - low) / (high - low)).toFixed(1)}`
        if (band.length) {
            const edge = [...band.map(([step, , top]) => at(step, top)), ...[...band].reverse().map(([step, bottom]) => at(step, bottom))]
            drawn.append(svg("polygon", {points: edge.join(" "), class: "area"}))
        }
        drawn.append(svg("polyline", {points: points.map(([step, value]) => at(step, value)).join(" "), class: "line"}))
    }
    return element("figure", {}, [
        element("figcaption", {}, [title, " ", element("b", {}, [last ? show(last[1]) : "not logged yet"])]), drawn,
    ])
}

function options(id, names, title) {
    const select = byId(id), before = select.value
    select.replaceChildren(element("option", {value: "newest"}, ["the newest"]), ...names.map(name => element("option", {value: name}, [title(name)])))
    select.value = names.includes(before) ? before : "newest"
}

export function showRun(run) {
    byId("learning").hidden = false
    byId("learning-title").textContent = `Learning: ${run.name}`
    options("opponent", [...run.snapshots].reverse(), name => `step ${Number(name.slice(5)).toLocaleString("en")}`)
    options("sample", run.games, name => name.replace("game-", "game ").replace(/ 0+(?=\d)/, " "))
    const {score, mass, checked, games} = run.curves
    const strength = run.ladder.length
        ? figure("Elo", run.ladder.map(([step, elo]) => [step, elo]), elo => elo.toFixed(0), run.ladder.map(([step, , low, high]) => [step, low, high]))
        : figure("match score", score, share => `${(100 * share).toFixed(1)} %`)
    byId("strip").replaceChildren(
        strength,
        figure("invalid mass", mass, value => (value === 0 ? "0.0" : value.toExponential(1))),
        figure("distributions checked", checked, value => value.toLocaleString("en")),
        figure("games a second", games, value => value.toFixed(1)),
    )
}
