"""LongBench's datasets: prompts, lengths of answers and metrics, as lm-eval has them; a test compares.

The texts are LongBench's (Bai et al., 2024; MIT), without the white space that some end with there.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

QA = (
    "Answer the question based on the given passages. Only give me the answer and do not output any other words.\n\n"
    "The following are given passages.\n{context}\n\n"
    "Answer the question based on the given passages. Only give me the answer and do not output any other words.\n\n"
    "Question: {question}\nAnswer:"
)
PHRASE = "as concisely as you can, using a single phrase or sentence if possible."
UNANSWERABLE = (
    "If the question cannot be answered based on the information in the article, "
    'write "unanswerable". If the question is a yes/no question, answer "yes", "no", or "unanswerable". '
    "Do not provide any explanation."
)
SHORT = "asconcisely as you can, using a single phrase if possible. Do not provide any explanation."  # LongBench's typo


@dataclass(frozen=True)
class Dataset:
    """How one dataset is asked and scored."""

    category: str
    metric: str  # a name in `metrics.METRICS`
    new_tokens: int  # an answer may take
    template: str  # fields: context and, after it, question, which the files call input
    rows: int  # of the complete file
    extended_rows: int | None = None  # of LongBench-E's, where it has one

    @property
    def asks(self) -> bool:
        return "{question}" in self.template

    @property
    def chats(self) -> bool:
        """Whether LongBench puts its prompts into a chat template."""
        return self.category not in ("few-shot", "code")

    @property
    def one_line(self) -> bool:
        """Whether the answer ends with its line: the model would go on with an example of its own."""
        return self.category == "few-shot"

    def opening(self) -> str:
        return self.template.partition("{context}")[0]

    def closing(self, question: str) -> str:
        return self.template.partition("{context}")[2].format(question=question)


DATASETS: Mapping[str, Dataset] = {
    "narrativeqa": Dataset(
        "single-document QA",
        "qa_f1",
        128,
        "You are given a story, which can be either a novel or a movie script, and a question. Answer the question "
        f"{SHORT}\n\nStory: {{context}}\n\nNow, answer the question based on the story {SHORT}\n\n"
        "Question: {question}\n\nAnswer:",
        rows=200,
    ),
    "qasper": Dataset(
        "single-document QA",
        "qa_f1",
        128,
        f"You are given a scientific article and a question. Answer the question {PHRASE} {UNANSWERABLE}\n\n"
        f"Article: {{context}}\n\n Answer the question based on the above article {PHRASE} {UNANSWERABLE}\n\n"
        "Question: {question}\n\nAnswer:",
        rows=200,
        extended_rows=224,
    ),
    "multifieldqa_en": Dataset(
        "single-document QA",
        "qa_f1",
        64,
        "Read the following text and answer briefly.\n\n{context}\n\nNow, answer the following question based on the "
        "above text, only give me the answer and do not output any other words.\n\nQuestion: {question}\nAnswer:",
        rows=150,
        extended_rows=150,
    ),
    "multifieldqa_zh": Dataset(
        "single-document QA",
        "qa_f1_zh",
        64,
        "阅读以下文字并用中文简短回答：\n\n{context}\n\n"
        "现在请基于上面的文章回答下面的问题，只告诉我答案，不要输出任何其他字词。\n\n问题：{question}\n回答：",
        rows=200,
    ),
    "hotpotqa": Dataset("multi-document QA", "qa_f1", 32, QA, rows=200, extended_rows=300),
    "2wikimqa": Dataset("multi-document QA", "qa_f1", 32, QA, rows=200, extended_rows=300),
    "musique": Dataset("multi-document QA", "qa_f1", 32, QA, rows=200),
    "dureader": Dataset(
        "multi-document QA",
        "rouge_zh",
        128,
        "请基于给定的文章回答下述问题。\n\n文章：{context}\n\n请基于上述文章回答下面的问题。\n\n问题：{question}\n回答：",
        rows=200,
    ),
    "gov_report": Dataset(
        "summarization",
        "rouge",
        512,
        "You are given a report by a government agency. Write a one-page summary of the report.\n\n"
        "Report:\n{context}\n\nNow, write a one-page summary of the report.\n\nSummary:",
        rows=200,
        extended_rows=300,
    ),
    "qmsum": Dataset(
        "summarization",
        "rouge",
        512,
        "You are given a meeting transcript and a query containing a question or instruction. "
        "Answer the query in one or more sentences.\n\nTranscript:\n{context}\n\nNow, answer the query based on the "
        "above meeting transcript in one or more sentences.\n\nQuery: {question}\nAnswer:",
        rows=200,
    ),
    "multi_news": Dataset(
        "summarization",
        "rouge",
        512,
        "You are given several news passages. Write a one-page summary of all news. \n\nNews:\n{context}\n\n"
        "Now, write a one-page summary of all the news.\n\nSummary:",
        rows=200,
        extended_rows=294,
    ),
    "vcsum": Dataset(
        "summarization",
        "rouge_zh",
        512,
        "下面有一段会议记录，请你阅读后，写一段总结，总结会议的内容。\n会议记录：\n{context}\n\n会议总结：",
        rows=200,
    ),
    "trec": Dataset(
        "few-shot",
        "classification",
        64,
        "Please determine the type of the question below. Here are some examples of questions.\n\n"
        "{context}\n{question}",
        rows=200,
        extended_rows=300,
    ),
    "triviaqa": Dataset(
        "few-shot",
        "qa_f1",
        32,
        "Answer the question based on the given passage. Only give me the answer and do not output any other words. "
        "The following are some examples.\n\n{context}\n{question}",
        rows=200,
        extended_rows=300,
    ),
    "samsum": Dataset(
        "few-shot",
        "rouge",
        128,
        "Summarize the dialogue into a few short sentences. The following are some examples.\n\n{context}\n{question}",
        rows=200,
        extended_rows=300,
    ),
    "lsht": Dataset(
        "few-shot",
        "classification",
        64,
        "请判断给定新闻的类别，下面是一些例子。\n\n{context}\n{question}",
        rows=200,
    ),
    "passage_count": Dataset(
        "synthetic",
        "count",
        32,
        "There are some paragraphs below sourced from Wikipedia. Some of them may be duplicates. Please carefully read "
        "these paragraphs and determine how many unique paragraphs there are after removing duplicates. In other "
        "words, how many non-repeating paragraphs are there in total?\n\n{context}\n\nPlease enter the final count of "
        "unique paragraphs after removing duplicates. The output format should only contain the number, such as 1, 2, "
        "3, and so on.\n\nThe final answer is:",
        rows=200,
        extended_rows=300,
    ),
    "passage_retrieval_en": Dataset(
        "synthetic",
        "retrieval",
        32,
        "Here are 30 paragraphs from Wikipedia, along with an abstract. Please determine which paragraph the abstract "
        "is from.\n\n{context}\n\nThe following is an abstract.\n\n{question}\n\nPlease enter the number of the "
        'paragraph that the abstract is from. The answer format must be like "Paragraph 1", "Paragraph 2", etc.\n\n'
        "The answer is:",
        rows=200,
        extended_rows=300,
    ),
    "passage_retrieval_zh": Dataset(
        "synthetic",
        "retrieval_zh",
        32,
        "以下是若干段落文字，以及其中一个段落的摘要。请确定给定的摘要出自哪一段。\n\n{context}\n\n"
        "下面是一个摘要\n\n{question}\n\n"
        '请输入摘要所属段落的编号。答案格式必须是"段落1"，"段落2"等格式\n\n答案是：',
        rows=200,
    ),
    "lcc": Dataset(
        "code",
        "code_sim",
        64,
        "Please complete the code given below. \n{context}Next line of code:",
        rows=500,
        extended_rows=300,
    ),
    "repobench-p": Dataset(
        "code",
        "code_sim",
        64,
        "Please complete the code given below. \n{context}{question}Next line of code:",
        rows=500,
        extended_rows=300,
    ),
}
EXTENDED = tuple(name for name, dataset in DATASETS.items() if dataset.extended_rows)
