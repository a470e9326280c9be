FROM python:3.11-slim

RUN useradd --create-home --uid 1000 studio && mkdir /data && chown studio /data
WORKDIR /home/studio/app

COPY --chown=studio requirements.txt .
RUN pip install --no-cache-dir -r requirements.txt
COPY --chown=studio . .

USER studio
ENV STUDIO_IN_CONTAINER=1 STUDIO_HOME=/data/lora-studio HF_HOME=/data/huggingface PYTHONUNBUFFERED=1
VOLUME /data
EXPOSE 7860
CMD ["python", "app.py"]
