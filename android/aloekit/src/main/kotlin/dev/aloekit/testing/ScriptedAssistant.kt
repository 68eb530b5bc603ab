package dev.aloekit.testing

import dev.aloekit.Assistant
import dev.aloekit.ScriptParams
import dev.aloekit.ScriptedReply
import dev.aloekit.StoreKey
import dev.aloekit.nativeOpenScriptedAssistant

/** An assistant without weights for an app's tests: replies from a script; sessions, memory and cancelling are real. */
public object ScriptedAssistant {
    /** One on this script; with a key its memory is encrypted. */
    public suspend fun open(
        params: ScriptParams,
        key: StoreKey? = null,
    ): Assistant = Assistant(nativeOpenScriptedAssistant(params, key))

    /** One that gives these texts in turn, word by word, and then the last again and again. */
    public suspend fun replying(vararg texts: String): Assistant = open(ScriptParams(texts.map { ScriptedReply(words(it)) }))

    private fun words(text: String): List<String> = text.split(Regex("(?<= )"))
}
