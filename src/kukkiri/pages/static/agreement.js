// The page of agreement with people: all of it stands in the page; this adds the colours and the names of the points.

import { themeSwitch } from "./theme.js";
import { tooltips } from "./tooltip.js";

themeSwitch(document.getElementById("theme"));
tooltips();
