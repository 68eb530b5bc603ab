package dev.aloekit.conformance

import dev.aloekit.Alignment
import dev.aloekit.Assistant
import dev.aloekit.Rating
import dev.aloekit.ReplyState
import dev.aloekit.Session
import dev.aloekit.Turn
import kotlinx.coroutines.CompletableDeferred
import kotlinx.coroutines.coroutineScope
import kotlinx.coroutines.delay
import kotlinx.coroutines.launch
import java.io.File
import kotlin.math.abs
import kotlin.test.assertEquals
import kotlin.test.assertTrue
import kotlin.test.fail

/** The steps about what the user thinks of replies, and what the adapters do. */
internal class Feedback(
    private val assistant: Assistant,
    private val session: Session?,
    private val lastTurn: Long,
) {
    private val talk get() = checkNotNull(session) { "no session was opened" }

    suspend fun perform(step: Step) {
        val turn = step.number("turn")
        when (step.action) {
            "rate" -> assertEquals(turn ?: lastTurn, talk.rate(rating(step), turn), "$step")
            "rating" -> assertEquals(wanted(step), assistant.persona.rating(turn ?: lastTurn), "$step")
            "unrate" -> assistant.persona.unrate(turn ?: lastTurn)
            "rate_during" -> during(step) { talk.rate(rating(step), turn) }
            "preferences" -> preferences(step)
            "best_of" -> talk.setBestOf(step.number("count")!!.toInt())
            "alignment" -> checkAlignment(talk.alignment(turn), step)
            "alignment_during" -> during(step) { talk.alignment() }
            "give_up" -> giveUp(step)
            else -> fail("no such step: $step")
        }
    }

    /** Does something while a reply is under way, which ends then. */
    private suspend fun during(
        step: Step,
        act: suspend () -> Unit,
    ) = coroutineScope {
        val begun = CompletableDeferred<Unit>()
        val reply = launch { talk.send(step.text("text")).collect { begun.complete(Unit) } }
        begun.await()
        try {
            act()
        } finally {
            reply.cancel()
            reply.join()
        }
    }

    /** Gives a reply up before a word of it was shown. */
    private suspend fun giveUp(step: Step) =
        coroutineScope {
            val reply = launch { talk.send(step.text("text")).collect { fail("it was shown: $it") } }
            delay(step.number("after_ms")!!)
            reply.cancel()
            reply.join()
            val stored = assistant.persona.transcript(talk.conversation).last()
            assertEquals(Pair("", ReplyState.CANCELLED), Pair(stored.reply, stored.replyState), "$step")
        }

    private suspend fun preferences(step: Step) {
        val (file, turns) = Pair(File(step.text("path")), step.number("turns")?.toInt() ?: 8)
        val report = assistant.persona.exportPreferencesTo(file, systemPrompt = step.optional("system"), turns = turns)
        assertEquals(step.number("pairs"), report.pairs.toLong(), "$step")
        assertEquals(step.number("labelled"), report.labelled.toLong(), "$step")
        assertEquals(report.pairs.toInt(), file.readLines().size, "$step")
        assertEquals(report.labelled.toInt(), report.unpaired?.let { File(it).readLines().size } ?: 0, "$step")
        step.optional("contains")?.let { assertTrue(it in file.readText(), "$step: ${file.readText()}") }
    }
}

private fun wanted(step: Step): Rating? = if (step.text("rating") == "none") null else rating(step)

private fun rating(step: Step): Rating =
    when (val name = step.text("rating")) {
        "up" -> Rating.Up
        "down" -> Rating.Down
        "edited" -> Rating.Edited(step.text("edit"))
        else -> error("no such rating: $name")
    }

/** What was measured of a turn. */
internal fun checkMeasured(
    turn: Turn,
    step: Step,
) {
    if (step.has("measured")) assertEquals(step.flag("measured"), turn.alignment != null, "$step: ${turn.alignment}")
    step.number("candidates")?.let { assertEquals(it.toInt(), turn.candidates.size, "$step: ${turn.candidates}") }
    turn.alignment?.let { checkAlignment(it, step) } ?: assertTrue(!step.has("nats"), "nothing was measured: $step")
}

private fun checkAlignment(
    alignment: Alignment,
    step: Step,
) {
    step.number("nats")?.let { assertTrue(abs(alignment.nats - it) < 1e-3, "$step: $alignment") }
    step.number("tokens")?.let { assertEquals(it.toULong(), alignment.tokens, "$step") }
    val whole = alignment.natsPerToken * alignment.tokens.toDouble()
    assertTrue(abs(whole - alignment.nats) < 1e-6, "$alignment")
}
