package dev.aloekit.testing

import dev.aloekit.Assistant
import dev.aloekit.ffi.Assistant as NativeAssistant

/** One answer: its pieces, the delay before each, and the error that ends it, if one does. */
public typealias ScriptedReply = dev.aloekit.ffi.ScriptedReply

/** What a scripted assistant is made of. */
public typealias ScriptParams = dev.aloekit.ffi.ScriptParams

/** An assistant without weights for an app's tests: replies from a script; sessions, memory and cancelling are real. */
public object ScriptedAssistant {
    public suspend fun open(params: ScriptParams): Assistant = Assistant(NativeAssistant.openScripted(params))

    /** One that gives these texts in turn, word by word, and then the last again and again. */
    public suspend fun replying(vararg texts: String): Assistant = open(ScriptParams(texts.map { ScriptedReply(words(it)) }))

    private fun words(text: String): List<String> = text.split(Regex("(?<= )"))
}
