import { render } from "preact";
import "./styles/app.css";
import { Shell } from "./shell";

render(<Shell />, document.getElementById("app")!);
