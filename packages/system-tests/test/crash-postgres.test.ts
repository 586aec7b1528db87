import { crash } from "./crash.js"

crash("postgres", "order")
crash("postgres", "payment")
