// Ends a command on a Node.js that is too old, with one line, before anything is loaded that such a version can't run.
// Written for the oldest of them: no syntax and no module that came later than Node.js 4.
'use strict'

var wanted = require('./package.json').engines.node
var numbers = process.versions.node.split('.').map(Number)

/** Whether this version is in a range such as `^20.19.0` or `>=22.12.0`. */
function isIn(range) {
  var parts = /^(\^|>=)(\d+)\.(\d+)\.(\d+)$/.exec(range)
  for (var i = 0; i < 3; i++) {
    var least = Number(parts[i + 2])
    if (numbers[i] > least) return i > 0 || parts[1] === '>='
    if (numbers[i] < least) return false
  }
  return true
}

if (!wanted.split(' || ').some(isIn)) {
  var ranges = wanted.replace(/\^(\d+)(\.\d+)\.0/, '$1$2 or newer of $1').replace(/>=(\d+\.\d+)\.0/, '$1 or newer')
  console.error('Parley needs Node.js ' + ranges.replace(' || ', ', or ') + '; this is ' + process.versions.node + '.')
  process.exit(1)
}
