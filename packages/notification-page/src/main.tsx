import { options, render } from "preact"
import { App } from "./App.js"

// A burst of frames is drawn once a picture, not once a frame.
options.debounceRendering = requestAnimationFrame

const page = document.getElementById("page")
if (page !== null) render(<App />, page)
