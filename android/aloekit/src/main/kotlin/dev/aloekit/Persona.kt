package dev.aloekit

import java.io.File

/** What is known of the user: they can see it, correct it, keep it, forget it, take it away and bring it back. */
public class Persona internal constructor(
    private val native: NativePersona,
) {
    /** Every fact in force, oldest turn first. */
    public suspend fun facts(): List<Fact> = native.facts()

    /** Every memory, facts and the user's own turns, oldest turn first. */
    public suspend fun memories(): List<Memory> = native.memories()

    /** Reads the turns that were not read yet for facts. For idle moments; cancelled, it goes on where it was. */
    public suspend fun learn(): LearnReport = cancellable { native.learn(it) }

    /** The memories that matter to a text, best first. */
    public suspend fun search(
        text: String,
        maxCount: Int = 8,
    ): List<Recalled> = native.search(text, maxCount.coerceAtLeast(0).toUInt())

    /** The memories behind the reply of a turn, without those forgotten since. */
    public suspend fun why(turn: Long): List<Memory> = native.why(turn)

    /** Changes what a memory says; the user's own words behind it stay. */
    public suspend fun edit(
        id: Long,
        text: String,
    ): Memory = native.edit(id, text)

    /** Keeps a memory from decay, or no longer. */
    public suspend fun setPinned(
        id: Long,
        pinned: Boolean,
    ): Unit = native.setPinned(id, pinned)

    /** Forgets a memory with the turns it comes from, in every file, prompt and snapshot. */
    public suspend fun forget(id: Long): ForgetReport = native.forget(id)

    /** Every memory that matters to a topic, to be shown before it is forgotten. */
    public suspend fun findTopic(text: String): List<Memory> = native.findTopic(text)

    /** Forgets several memories as one: what [findTopic] found and the user agreed to. */
    public suspend fun forgetAll(ids: List<Long>): ForgetReport = native.forgetAll(ids)

    /** Erases memories, conversations and snapshots. */
    public suspend fun eraseAll(): Unit = native.eraseAll()

    /** Writes everything that is kept into a JSON file; whole or not at all. */
    public suspend fun exportTo(file: File): Unit = native.exportTo(file.path)

    /** Brings in what [exportTo] wrote. */
    public suspend fun importFrom(file: File): ImportReport = native.importFrom(file.path)

    /** What the user thinks of the reply to a turn, if they said so; [Session.rate] keeps it. */
    public suspend fun rating(turn: Long): Rating? = native.rating(turn)

    /** Takes a rating back; that there was none is no error. */
    public suspend fun unrate(turn: Long): Unit = native.unrate(turn)

    /**
     * Writes the rated replies as JSON lines to train on: edited ones as pairs, which `aloe train dpo` learns from, those
     * with a thumb alone into [unpaired] (without a name, beside the pairs). Each prompt begins with [systemPrompt], which
     * should be that of the sessions (the default one, if nothing is said), and has so many [turns] at most. The files
     * hold what was said, and no later forgetting reaches them.
     */
    public suspend fun exportPreferencesTo(
        pairs: File,
        unpaired: File? = null,
        systemPrompt: String? = null,
        turns: Int = 8,
    ): PreferenceReport = native.exportPreferencesTo(pairs.path, unpaired?.path, systemPrompt, turns.coerceAtLeast(1).toUInt())

    /** All conversations, newest first. */
    public suspend fun conversations(): List<ConversationInfo> = native.conversations()

    /** The turns of a conversation in the order in which they were said. */
    public suspend fun transcript(conversation: Long): List<StoredTurn> = native.transcript(conversation)

    /** How far the vectors match the embedder. */
    public suspend fun vectorStatus(): VectorStatus = native.vectorStatus()

    /** Gives a vector of the present embedder to every memory that has none; returns to how many. */
    public suspend fun reembed(): ULong = native.reembed()

    /** Reads the whole store and throws if it is not sound; about a second for every 100 MB. */
    public suspend fun check(): Unit = native.check()
}
