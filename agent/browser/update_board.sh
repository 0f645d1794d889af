#!/bin/sh
# Takes the board component from npm into static/vendor/ and writes the hashes that tests/agent/browser checks.
# Its pieces and style sheets stay out: the pieces are not under the MIT licence, ours are in static/pieces.svg.
# Usage: agent/browser/update_board.sh VERSION
set -eu
version=${1:?give a version of cm-chessboard, such as 8.15.1}
vendor=$(cd "$(dirname "$0")" && pwd)/static/vendor
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
(cd "$work" && npm pack --silent "cm-chessboard@$version" && tar xzf cm-chessboard-*.tgz)
rm -rf "$vendor"
for file in LICENSE src/Chessboard.js src/model/ChessboardState.js src/model/Extension.js src/model/Position.js \
    src/view/ChessboardView.js src/view/PositionAnimationsQueue.js src/view/VisualMoveInput.js \
    src/lib/Svg.js src/lib/Utils.js; do
    install -D -m 644 "$work/package/$file" "$vendor/cm-chessboard/$file"
done
cd "$vendor"
echo "# cm-chessboard $version" > SHA256SUMS
find cm-chessboard -type f | LC_ALL=C sort | xargs sha256sum >> SHA256SUMS
