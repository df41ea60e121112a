// The choice of `ebbnas choose`: of the designs in its order of preference, the first that keeps to the limits.
"use strict";

// Position in `ranked` of the chosen design, -1 where none keeps to the limits.
//   ranked: [{time_s, accuracy}, ...], the most preferred first
//   deadline_s: longest time, Infinity for none
//   least: least accuracy, 0 for none
function chosenPosition(ranked, deadline_s, least) {
  return ranked.findIndex((design) => design.time_s <= deadline_s && design.accuracy >= least);
}
