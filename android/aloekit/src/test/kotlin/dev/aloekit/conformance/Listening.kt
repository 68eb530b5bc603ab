package dev.aloekit.conformance

import dev.aloekit.Session
import dev.aloekit.Turn
import kotlin.test.assertEquals

/** Sends by a listener, which the cases make throw. */
internal object Listening {
    suspend fun send(
        session: Session,
        step: Step,
    ): Turn {
        val text = StringBuilder()
        val turn =
            session.sendTo(step.text("text")) {
                check(!step.flag("throws")) { "the app's own mistake" }
                text.append(it)
            }
        assertEquals(turn.reply, text.toString(), "$step")
        step.optional("reply")?.let { assertEquals(it, turn.reply) }
        return turn
    }
}
