package dev.aloekit

import kotlinx.coroutines.NonCancellable
import kotlinx.coroutines.flow.Flow
import kotlinx.coroutines.flow.flow
import kotlinx.coroutines.withContext

/** A conversation that can be continued. One reply at a time; several sessions can talk at once. */
public class Session internal constructor(
    private val native: NativeSession,
    private val assistant: Assistant,
) : AutoCloseable {
    /** The conversation that is continued. */
    public val conversation: Long
        get() = native.conversation()

    /**
     * The reply to a message that tells apart what was typed and what was pasted. Cold: collecting sends the message.
     * Cancelling the collector, or collecting no further, ends the native work within a token, and the session takes the
     * next message when the collector has returned. The best of several comes as one piece, after the choice.
     */
    public fun send(message: UserMessage): Flow<ReplyEvent> =
        flow {
            assistant.answering {
                var reply: NativeReply? = null
                try {
                    // Sent as a whole: given up halfway, the message would be stored and its reply be nobody's.
                    withContext(NonCancellable) { reply = native.send(message) }
                    val answer = checkNotNull(reply)
                    while (true) {
                        emit(ReplyEvent.Piece(answer.next() ?: break))
                    }
                    emit(ReplyEvent.Done(answer.finish()))
                } finally {
                    reply?.let { withContext(NonCancellable) { stop(it) } }
                }
            }
        }

    /** The reply to what the user typed. */
    public fun send(text: String): Flow<ReplyEvent> = send(UserMessage(text))

    /**
     * The reply to a message, for callers without coroutines of their own to collect in: [listener] is called on a native
     * thread. One that throws ends the reply with [AloeException.CallbackFailed].
     */
    public suspend fun sendTo(
        message: UserMessage,
        listener: (String) -> Unit,
    ): Turn =
        assistant.answering {
            val listening =
                object : ReplyListener {
                    override fun onText(text: String) = listener(text)
                }
            native.sendTo(message, listening, null)
        }

    /** [sendTo] for what the user typed. */
    public suspend fun sendTo(
        text: String,
        listener: (String) -> Unit,
    ): Turn = sendTo(UserMessage(text), listener)

    /** Whether what the user says from now on is remembered beyond this conversation. */
    public suspend fun setRemember(remember: Boolean): Unit = native.setRemember(remember)

    /** Whether memories are recalled for what the user says from now on. */
    public suspend fun setRecall(recall: Boolean): Unit = native.setRecall(recall)

    /** Draws the tokens of the next replies this way. */
    public suspend fun setSampling(sampling: SamplingParams): Unit = native.setSampling(sampling)

    /** Draws this many replies (1 to 8) to each message from now on, and gives the one that the adapters lean towards most. */
    public suspend fun setBestOf(bestOf: Int): Unit = native.setBestOf(bestOf.coerceAtLeast(0).toUInt())

    /**
     * Keeps what the user thinks of a reply, the newest without a [turn], in place of what they thought before; returns
     * the number of its turn. The conversation goes on with the reply as it was given. [AloeException.Busy] while it is
     * under way, [AloeException.NotFound] for a turn of another conversation. [Persona.unrate] takes it back.
     */
    public suspend fun rate(
        rating: Rating,
        turn: Long? = null,
    ): Long = native.rate(turn, rating)

    /**
     * How much likelier the adapters make a reply, the newest without a [turn], than the bare model does: two prefills of
     * prompt and reply. With `measureAlignment` in [SessionParams] every [Turn] carries it.
     */
    public suspend fun alignment(turn: Long? = null): Alignment = native.alignment(turn, null)

    /** Uses these adapters from the next reply on; none clears them. */
    public suspend fun setAdapters(adapters: List<Adapter>): Unit = native.setAdapters(adapters)

    /** Saves the KV snapshot now, so that the next launch needs no prefill. */
    public suspend fun saveSnapshot(): Unit = native.saveSnapshot()

    /** Closes from now on; the snapshot is saved on a native thread. A second time does nothing. */
    override fun close(): Unit = native.beginClose()

    /** [close], and waits until it is done. */
    public suspend fun closeAndWait(): Unit = native.finishClose()

    /** Ends a reply that is not over, and waits until it is recorded. */
    private suspend fun stop(reply: NativeReply) {
        reply.use {
            it.cancel()
            // Over already, or failed: whoever collects has heard of it.
            runCatching { it.finish() }
        }
    }
}
