# A digest would pin the image to the byte: look it up with `docker buildx imagetools inspect` and write it behind the tag.
FROM python:3.11.13-slim-bookworm

RUN useradd --create-home --uid 1000 studio && mkdir /data && chown studio /data
WORKDIR /home/studio/app

COPY --chown=studio requirements.txt .
RUN pip install --no-cache-dir -r requirements.txt
COPY --chown=studio . .

USER studio
ENV STUDIO_IN_CONTAINER=1 STUDIO_HOME=/data/lora-studio HF_HOME=/data/huggingface PYTHONUNBUFFERED=1 \
    GRADIO_TEMP_DIR=/data/lora-studio/uploads
VOLUME /data
EXPOSE 7860
HEALTHCHECK --interval=30s --timeout=10s --start-period=60s --retries=3 \
    CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:7860/', timeout=8)"]
CMD ["python", "app.py"]
