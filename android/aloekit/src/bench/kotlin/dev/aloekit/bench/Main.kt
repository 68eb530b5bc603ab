package dev.aloekit.bench

import dev.aloekit.Assistant
import dev.aloekit.AssistantParams
import dev.aloekit.EngineParams
import dev.aloekit.ReplyEvent
import dev.aloekit.SamplingParams
import dev.aloekit.ScriptParams
import dev.aloekit.ScriptedReply
import dev.aloekit.Session
import dev.aloekit.SessionParams
import dev.aloekit.testing.ScriptedAssistant
import kotlinx.coroutines.Dispatchers
import kotlinx.coroutines.cancel
import kotlinx.coroutines.flow.collect
import kotlinx.coroutines.flow.toList
import kotlinx.coroutines.launch
import kotlinx.coroutines.runBlocking
import java.io.File

private const val TOKENS = 4000
private const val CYCLES = 1000

/** What the border costs. Prints one line a figure; run by `./dev bench kotlin`. */
fun main(): Unit =
    runBlocking {
        val started = System.nanoTime()
        ScriptedAssistant.replying("Hello.").use { it.session().send("Hi").collect() }
        line("first call: library loaded, assistant opened, one reply", sinceMs(started), "ms")
        tokens()
        model()
        cycles()
    }

/** Tokens without a model behind them: all that is left is the border, the pump and the scripted worker. */
private suspend fun tokens() {
    ScriptedAssistant.open(ScriptParams(listOf(ScriptedReply(List(TOKENS) { "word " })), nCtx = 100_000u)).use { assistant ->
        val session = assistant.session(SessionParams(maxReplyTokens = 50_000u))
        repeat(3) { session.send("warm up").collect() }
        val started = System.nanoTime()
        val events = session.send("go").toList()
        line("a streamed token, engine scripted", sinceMs(started) * 1000 / TOKENS, "us")
        line("tokens in a batch", TOKENS.toDouble() / (events.size - 1), "")
    }
}

private suspend fun model() {
    val params = AssistantParams(EngineParams(System.getenv("ALOE_TEST_MODEL"), nCtx = 2048u))
    val started = System.nanoTime()
    Assistant.open(params).use { assistant ->
        line("open, default model", sinceMs(started), "ms")
        val greedy = SamplingParams(temperature = 0f)
        val session = assistant.session(SessionParams(sampling = greedy, maxReplyTokens = 200u))
        session.send("Tell me a story.").collect()
        val turn = (session.send("Tell me a long story.").toList().last() as ReplyEvent.Done).turn
        line("decode, default model, read in Kotlin", 1000 / turn.stats.decodeTokensPerS, "ms a token")
        val stops = List(20) { stop(session) }.sorted()
        line("cancel until the collector has returned, median of 20", stops[10], "ms")
        line("cancel until the collector has returned, longest of 20", stops.last(), "ms")
    }
}

/** Milliseconds from the cancel until the reply is recorded and the session free. */
private suspend fun stop(session: Session): Double {
    var cancelled = 0L
    runBlocking(Dispatchers.Default) {
        launch {
            var pieces = 0
            session.send("Tell me a long story.").collect { _ ->
                if (++pieces == 3) {
                    cancelled = System.nanoTime()
                    cancel()
                }
            }
        }.join()
    }
    return sinceMs(cancelled)
}

private suspend fun cycles() {
    suspend fun cycle() {
        val assistant = ScriptedAssistant.replying("Hello there.")
        assistant.session().send("I play the cello.").collect()
        assistant.closeAndWait()
    }
    repeat(CYCLES / 5) { cycle() }
    repeat(2) { thousand ->
        val before = residentKib()
        repeat(CYCLES) { cycle() }
        val growth = (residentKib() - before).toDouble()
        line("resident memory, growth over $CYCLES opened and closed, scripted, ${thousand + 1}", growth, "KiB")
    }
}

private fun residentKib(): Long {
    repeat(3) { System.gc() }
    Thread.sleep(200)
    return File("/proc/self/status")
        .readLines()
        .single { it.startsWith("VmRSS") }
        .filter(Char::isDigit)
        .toLong()
}

private fun sinceMs(started: Long) = (System.nanoTime() - started) / 1e6

private fun line(
    what: String,
    value: Double,
    unit: String,
) = println("%-75s %10.2f %s".format(what, value, unit))
