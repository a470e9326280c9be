"""The studio for other programs, in the shapes that OpenAI gave its service: models, answers, files and trainings."""
