package dev.aloekit.sample

import androidx.compose.foundation.layout.Column
import androidx.compose.foundation.layout.Row
import androidx.compose.material3.OutlinedTextField
import androidx.compose.material3.Text
import androidx.compose.material3.TextButton
import androidx.compose.runtime.Composable
import androidx.compose.runtime.getValue
import androidx.compose.runtime.mutableStateOf
import androidx.compose.runtime.remember
import androidx.compose.runtime.setValue
import dev.aloekit.Rating

/** Thumbs on a reply, and what it should have said; a second tap takes it back. */
@Composable
fun RatingView(
    turn: Long,
    bubble: Bubble,
    model: ChatModel,
) {
    var better by remember(turn) { mutableStateOf<String?>(null) }
    val text = better
    Column {
        Row {
            Thumb("👍", Rating.Up, turn, bubble.rating, model)
            Thumb("👎", Rating.Down, turn, bubble.rating, model)
            TextButton(onClick = { better = (bubble.rating as? Rating.Edited)?.text ?: bubble.text }) {
                Text(if (bubble.rating is Rating.Edited) "Edited" else "What it should have said")
            }
        }
        if (text != null) {
            OutlinedTextField(text, onValueChange = { better = it })
            TextButton(onClick = {
                model.rate(turn, Rating.Edited(text))
                better = null
            }) { Text("Keep") }
        }
    }
}

@Composable
private fun Thumb(
    sign: String,
    rating: Rating,
    turn: Long,
    given: Rating?,
    model: ChatModel,
) {
    TextButton(onClick = { model.rate(turn, rating.takeIf { it != given }) }) { Text(if (rating == given) "[$sign]" else sign) }
}
