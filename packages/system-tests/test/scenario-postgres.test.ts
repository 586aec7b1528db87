import { scenario } from "./scenario.js"

scenario("postgres")
