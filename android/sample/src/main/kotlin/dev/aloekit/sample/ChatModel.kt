package dev.aloekit.sample

import dev.aloekit.AloeException
import dev.aloekit.Assistant
import dev.aloekit.Fact
import dev.aloekit.Rating
import dev.aloekit.Recalled
import dev.aloekit.ReplyEvent
import dev.aloekit.Session
import dev.aloekit.Turn
import kotlinx.coroutines.CoroutineScope
import kotlinx.coroutines.Job
import kotlinx.coroutines.flow.MutableStateFlow
import kotlinx.coroutines.flow.StateFlow
import kotlinx.coroutines.flow.asStateFlow
import kotlinx.coroutines.flow.update
import kotlinx.coroutines.launch
import java.io.File

/** One bubble of the chat; a reply that has ended knows its turn, the memories that it was given, and its rating. */
data class Bubble(
    val text: String,
    val fromUser: Boolean,
    val because: List<Recalled> = emptyList(),
    val turn: Long? = null,
    val rating: Rating? = null,
)

/** What the screen shows. */
data class ChatScreen(
    val bubbles: List<Bubble> = emptyList(),
    val facts: List<Fact> = emptyList(),
    val answering: Boolean = false,
    val notice: String? = null,
)

/** The chat without its widgets: it knows nothing of Android, so a desktop's tests can drive it. */
class ChatModel(
    private val assistant: Assistant,
    private val session: Session,
    private val scope: CoroutineScope,
) {
    private val current = MutableStateFlow(ChatScreen())
    private var reply: Job? = null

    val screen: StateFlow<ChatScreen> = current.asStateFlow()

    fun send(text: String) {
        if (text.isBlank() || current.value.answering) return
        current.update { it.copy(bubbles = it.bubbles + Bubble(text, true) + Bubble("", false), answering = true, notice = null) }
        reply =
            scope.launch {
                try {
                    session.send(text).collect(::show)
                    assistant.settle()
                    refresh()
                } catch (error: AloeException) {
                    current.update { it.copy(notice = sentence(error)) }
                } finally {
                    current.update { it.copy(answering = false) }
                }
            }
    }

    fun stop() {
        reply?.cancel()
    }

    /** What the user thinks of a reply; nothing takes it back. */
    fun rate(
        turn: Long,
        rating: Rating?,
    ): Job =
        change {
            if (rating == null) unrate(turn) else session.rate(rating, turn)
            val kept = this.rating(turn)
            current.update { it.copy(bubbles = it.bubbles.map { bubble -> bubble.rated(turn, kept) }) }
        }

    fun edit(
        id: Long,
        text: String,
    ): Job = change { edit(id, text) }

    fun pin(
        id: Long,
        pinned: Boolean,
    ): Job = change { setPinned(id, pinned) }

    fun forget(id: Long): Job = change { forget(id) }

    fun erase(): Job =
        change {
            eraseAll()
            current.update { it.copy(bubbles = emptyList()) }
        }

    fun exportTo(file: File): Job =
        change {
            exportTo(file)
            current.update { it.copy(notice = "Saved to ${file.name}") }
        }

    /** Rated replies, to train on at a desk. */
    fun exportRatingsTo(file: File): Job =
        change {
            val report = exportPreferencesTo(file)
            current.update { it.copy(notice = "${report.pairs} edits and ${report.labelled} thumbs saved to ${file.name}") }
        }

    fun refresh(): Job = change { }

    private fun change(how: suspend dev.aloekit.Persona.() -> Unit): Job =
        scope.launch {
            try {
                assistant.persona.how()
                val facts = assistant.persona.facts()
                current.update { it.copy(facts = facts) }
            } catch (error: AloeException) {
                current.update { it.copy(notice = sentence(error)) }
            }
        }

    private fun show(event: ReplyEvent) {
        current.update { screen ->
            val last = screen.bubbles.last()
            val next =
                when (event) {
                    is ReplyEvent.Piece -> last.copy(text = last.text + event.text)
                    is ReplyEvent.Done -> last.endedWith(event.turn)
                }
            screen.copy(bubbles = screen.bubbles.dropLast(1) + next)
        }
    }
}

private fun Bubble.endedWith(turn: Turn) = copy(text = turn.reply, because = turn.persona + turn.facts, turn = turn.turn)

private fun Bubble.rated(
    turn: Long,
    rating: Rating?,
) = if (this.turn == turn) copy(rating = rating) else this

/** What the user can do about it. */
fun sentence(error: AloeException): String =
    when (error) {
        is AloeException.ModelMissing, is AloeException.ModelCorrupt -> "The model has to be downloaded again."
        is AloeException.NotEnoughMemory -> "This model needs ${error.requiredMib} MiB; ${error.availableMib} MiB are free."
        is AloeException.ContextExceeded -> "That message is too long."
        is AloeException.StorageFull -> "The phone is full. Free some space and try again."
        is AloeException.SchemaTooNew -> "Please update the app."
        is AloeException.Backgrounded -> "The app was in the background. Send it again."
        is AloeException.Busy -> "Still answering."
        else -> "Something went wrong. Try again."
    }
