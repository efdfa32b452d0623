"""Lessons: short guided ways through the app, for a lecture or for oneself."""

import streamlit as st

from explorer.views.lesson import show_lessons

st.markdown("## Lessons")
st.markdown(
    "Each is a handful of steps. A step sets the app up for you, says what to look at, and asks a question; its answer "
    "is folded away. Change whatever you like on the way: *As the step has it* brings the step's view back. The "
    "address bar always holds a link to where you are. *Present* hides the controls but the sparsity, and enlarges "
    "everything for a lecture hall."
)
show_lessons()
